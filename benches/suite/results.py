"""Results: a file of JSON lines, the first of which describes the machine. A later line replaces an earlier one of the
same configuration and side, so that something can be measured again."""
import json
import statistics

from .sides import BENCH

RESULTS = BENCH / "results"


def append(path, record):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(record) + "\n")


def read(path):
    """(machine, {configuration: {side: record}}), in the order of the file."""
    machine, table = {}, {}
    for line in path.read_text().splitlines():
        record = json.loads(line)
        if "machine" in record:
            machine = record["machine"]
        else:
            table.setdefault(record["config"], {})[record["side"]] = record
    return machine, table


def newest():
    """The results of the last run."""
    files = sorted(RESULTS.glob("*.jsonl"))
    if not files:
        raise SystemExit("there are no results: make bench")
    return files[-1]


def figures(record, key="figure"):
    return [sample[key] for sample in record["samples"] if key in sample]


def median(values):
    return statistics.median(values) if values else None


def efficiency(record):
    """(median, lowest, highest) of the ratios within pairs; None for the reference itself."""
    ratios = figures(record, "ratio")
    return (median(ratios), min(ratios), max(ratios)) if ratios else None
