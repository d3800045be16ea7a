#!/usr/bin/env python3
"""Make Markdown tables of the results of benches/run.py, and put them into docs/performance.md when asked to."""
import argparse
import pathlib
import sys

sys.dont_write_bytecode = True
from suite import results  # noqa: E402
from suite.groups import shown  # noqa: E402

DOCS = pathlib.Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "performance.md"
BEGIN, END = "<!-- tables: written by benches/tables.py -->", "<!-- end of tables -->"


def figures_of(name, records):
    """Efficiency with its spread, and the CPU time; or bytes."""
    record = records.get(name)
    if record is None:
        return "-"
    if "failed" in record:
        return "failed"
    figure = results.median(results.figures(record))
    if "per_second" not in record["samples"][0]:
        return f"{figure:,.0f}"
    efficiency = results.efficiency(record)
    return ("%.2f (%.2f-%.2f), " % efficiency if efficiency else "1, ") + f"{figure:,.0f} ns"


def worth(record):
    """What is better when it is more: efficiency, 1 for the reference itself; of memory one over the bytes."""
    if record is None or "failed" in record:
        return None
    if "per_second" not in record["samples"][0]:
        return 1 / results.median(results.figures(record))
    efficiency = results.efficiency(record)
    return efficiency[0] if efficiency else 1.0


def against(other):
    """How much better a side is than this one."""
    def compare(name, records):
        mine, theirs = worth(records.get(name)), worth(records.get(other))
        return f"{mine / theirs:.2f}" if mine and theirs else "-"
    return compare


def make(table, cell=figures_of):
    """All tables, and below each what failed."""
    for file, heading, columns, sides in shown(table):
        yield f"### {heading}\n"
        if (DOCS / "performance" / f"{file}.svg").exists():
            yield f"![{heading}](performance/{file}.svg)\n"
        yield "| | " + " | ".join(columns.values()) + " |"
        yield "| --- |" + " ---: |" * len(columns)
        for name, title in sides.items():
            mark = "**" if name.startswith("wsock") else ""
            yield f"| {mark}{title}{mark} | " + " | ".join(cell(name, table[config]) for config in columns) + " |"
        yield ""
        failures = {(title, table[config][name]["failed"]) for config in columns for name, title in sides.items()
                    if "failed" in table[config].get(name, {})}
        for title, reason in sorted(failures):
            yield f"Failed: {title}: {reason}."
        if failures:
            yield ""


EXPLAINED = ("Each cell: efficiency, its median and in brackets the lowest and the highest, and CPU time per message. In the "
             "columns of TLS and compression the limit is a plain one.\n")


def describe(machine):
    return (f"{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}; {machine['compiler']}, "
            f"{machine['rust']}; libwsock {machine['commit']}; measured {machine['date']}, {machine['rounds']} rounds of "
            f"{machine['seconds']:g} s.\n")


def write(text):
    page = PAGE.read_text()
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{PAGE} has lost the marks {BEGIN} and {END}")
    PAGE.write_text(f"{before}{BEGIN}\n\n{text.strip()}\n\n{END}{after}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", nargs="?", type=pathlib.Path, help="a file of target/bench/results (the newest one)")
    parser.add_argument("--write", action="store_true", help="into docs/performance.md")
    parser.add_argument("--against", metavar="SIDE", help="instead of figures: how much cheaper than this side each is")
    args = parser.parse_args()
    machine, table = results.read(args.results or results.newest())
    text = "\n".join([describe(machine), "" if args.against else EXPLAINED, *make(table, against(args.against) if args.against else figures_of)])
    if args.write:
        write(text)
    else:
        print(text)


if __name__ == "__main__":
    main()
