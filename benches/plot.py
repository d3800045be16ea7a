#!/usr/bin/env python3
"""Draw the results of benches/run.py: a file docs/performance/NAME.svg for each group of configurations."""
import argparse
import pathlib
import sys

sys.dont_write_bytecode = True
from suite import results, svg  # noqa: E402
from suite.groups import shown  # noqa: E402

PLOTS = pathlib.Path(__file__).resolve().parents[1] / "docs" / "performance"


def kind(name):
    return "ours" if name.startswith("wsock") else "limit" if name.startswith("limit") or name == "again" else "other"


def bar(name, title, record):
    """As svg.panel has it."""
    values = results.figures(record)
    if "per_second" not in record["samples"][0]:
        middle = results.median(values)
        return title, kind(name), middle, min(values), max(values), f"{middle:,.0f} B"
    middle, low, high = results.efficiency(record)
    return title, kind(name), middle, low, high, f"{middle:.2f}, {results.median(values):,.0f} ns"


def bars(table, config, sides):
    """Of a configuration, the best first; the reference is the line at 1, and has none."""
    records = {name: record for name, record in table[config].items() if record["samples"]}
    drawn = [bar(name, sides[name], record) for name, record in records.items()
             if "failed" not in record and ("per_second" not in record["samples"][0] or results.efficiency(record))]
    memory = any("per_second" not in record["samples"][0] for record in records.values())
    return sorted(drawn, key=lambda one: one[2] if memory else -one[2])


def draw(table):
    """(file name, SVG)"""
    for file, heading, columns, sides in shown(table):
        panels = [(title, found) for config, title in columns.items() if (found := bars(table, config, sides))]
        if not panels:
            continue
        values = [one[2] for _, found in panels for one in found]
        if file == "memory":
            note = "Resident memory of the server per connection; logarithmic from 50 B on; shorter is better."
            yield file, svg.figure(heading, panels, note, svg.logarithmic(50, max(200, *values)))
        else:
            against = "one loop" if file == "loops" else "the least that is possible"
            note = (f"CPU time per message: the dashed line is {against}, longer is better, thin lines are the spread; "
                    "and nanoseconds.")
            yield file, svg.figure(heading, panels, note, svg.linear(min(max(1.25, *values), 1.6)), 1.0)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", nargs="?", type=pathlib.Path, help="a file of target/bench/results (the newest one)")
    parser.add_argument("--into", type=pathlib.Path, default=PLOTS, help="another directory")
    args = parser.parse_args()
    _, table = results.read(args.results or results.newest())
    args.into.mkdir(parents=True, exist_ok=True)
    for name, picture in draw(table):
        (args.into / f"{name}.svg").write_text(picture)
        print(args.into / f"{name}.svg")


if __name__ == "__main__":
    main()
