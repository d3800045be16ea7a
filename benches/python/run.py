#!/usr/bin/env python3
"""Measure the Python package against other libraries: CPU time per message against picows on uvloop, which is 1.

As benches/run.py, whose programs and ways it uses: each sample comes right behind one of the reference. Servers have the load
generator of C in front of them, clients the echo server that does the least. Needs `make bench-programs`, and a Python with
the package and the others installed.
"""
import argparse
import pathlib
import sys

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from run import chosen, describe  # noqa: E402
from suite import machine, processes, progress, results, svg  # noqa: E402
from suite.configs import Config, words  # noqa: E402
from suite.measure import measure, samples  # noqa: E402
from suite.sample import Bench  # noqa: E402
from suite.sides import Side  # noqa: E402

REFERENCE = "picows"
PLOT = HERE.parents[1] / "docs/performance/python.svg"


def server(name, title, size, depth, conns=16):
    return Config(name, title, "load", "server", words(f"--conns {conns} --size {size} --depth {depth}"), reference=REFERENCE,
                  conns=conns, size=size)


def client(name, title, size, depth):
    return Config(name, title, "client", "client", (str(depth),), reference=REFERENCE, conns=1, size=size)


CONFIGS = [
    server("server-16", "server: echo 16 B", 16, 1),
    server("server-16-d16", "server: echo 16 B, 16 on the way", 16, 16),
    server("server-1k", "server: echo 1 KiB", 1024, 1),
    server("server-1k-d16", "server: echo 1 KiB, 16 on the way", 1024, 16),
    server("server-64k", "server: echo 64 KiB", 65536, 1),
    client("client-16-d32", "client: 16 B, 32 on the way", 16, 32),
    client("client-1k-d32", "client: 1 KiB, 32 on the way", 1024, 32),
    client("client-64k-d4", "client: 64 KiB, 4 on the way", 65536, 4),
]

# On uvloop, where the title says nothing else, and with the glue.
# name: (title, program, environment, arguments, whether server, whether client)
SIDES = {
    "picows": ("picows", "picows", "", "", True, True),
    "wsock_raw": ("wsock.raw", "wsock_raw", "", "", True, True),
    "wsock_raw_asyncio": ("wsock.raw, asyncio", "wsock_raw", "", "--loop asyncio", True, True),
    "wsock_raw_pure": ("wsock.raw, ctypes", "wsock_raw", "WSOCK_PURE=1", "", True, True),
    "wsock_raw_lists": ("wsock.raw, lists", "wsock_raw_lists", "", "", True, False),
    "wsock_raw_lists_pure": ("wsock.raw, lists, ctypes", "wsock_raw_lists", "WSOCK_PURE=1", "", True, False),
    "wsock": ("wsock", "wsock", "", "", True, True),
    "wsock_asyncio": ("wsock, asyncio", "wsock", "", "--loop asyncio", True, True),
    "wsock_pure": ("wsock, ctypes", "wsock", "WSOCK_PURE=1", "", True, True),
    "wsock_threads": ("wsock.sync", "threads", "", "", True, True),
    "picows_websockets": ("picows.websockets", "picows_websockets", "", "", True, True),
    "websockets": ("websockets", "websockets", "", "", True, True),
    "websockets_threads": ("websockets.sync", "websockets_threads", "", "", True, True),
    "aiohttp": ("aiohttp", "aiohttp", "", "", True, True),
    "socketify": ("socketify", "socketify", "", "", True, False),
    "websocket_client": ("websocket-client", "websocket_client", "", "", False, True),
}


def sides(python):
    for name, (title, program, environment, arguments, serves, connects) in SIDES.items():
        commands = {}
        start = f"env {environment} {python}" if environment else python
        if serves:
            commands["server"] = f"{start} {HERE}/servers.py {program} {arguments} --port {{port}}"
        if connects:
            commands["client"] = f"{start} {HERE}/clients.py {program} {{port}} {{way}} {{size}} {{seconds}} {arguments}"
        yield Side(name, title, commands)


def plot(path):
    _, table = results.read(path)
    panels = []
    for config in CONFIGS:
        bars = []
        for name, record in table.get(config.name, {}).items():
            if "failed" in record or name in (REFERENCE, "again") or not results.efficiency(record):
                continue
            middle, low, high = results.efficiency(record)
            kind = "ours" if name.startswith("wsock") else "other"
            bars.append((record["title"], kind, middle, low, high, f"{middle:.2f}, {results.median(results.figures(record)):,.0f} ns"))
        if bars:
            panels.append((config.title, sorted(bars, key=lambda bar: -bar[2])))
    note = "CPU time per message, on uvloop where nothing else is said: the dashed line is picows, longer is better."
    most = max(bar[2] for _, bars in panels for bar in bars)
    PLOT.write_text(svg.figure("Python", panels, note, svg.linear(most), 1.0))
    print(f"wrote {PLOT}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="the Python that has the libraries (this one)")
    parser.add_argument("--only", metavar="NAMES", help="configurations, with commas between; * and ? are wild")
    parser.add_argument("--sides", metavar="NAMES", help="sides, in the same way; picows is always there")
    parser.add_argument("--rounds", type=int, default=5, help="samples of each side (5)")
    parser.add_argument("--seconds", type=float, default=1.0, help="of a sample (1)")
    parser.add_argument("--out", metavar="FILE", type=pathlib.Path, default=results.RESULTS / "python.jsonl")
    parser.add_argument("--plot", action="store_true", help="draw what FILE has, and measure nothing")
    args = parser.parse_args()
    if args.plot:
        return plot(args.out)
    known = list(sides(args.python))
    wanted = chosen(args.sides, known, "side", parser)
    known = [side for side in known if side in wanted or side.name == REFERENCE]
    configs = chosen(args.only, CONFIGS, "configuration", parser)
    bench = Bench(args.seconds, 0.2, processes.all_descriptors())
    results.append(args.out, {"machine": machine.describe() | {"rounds": args.rounds, "seconds": args.seconds}})
    bar = progress.Progress(sum(samples(config, known, args.rounds) for config in configs))
    for config in configs:
        records = measure(bench, config, known, args.rounds, bar)
        bar.clear()
        print(f"\n{config.title} ({config.name})")
        for record in records:
            print(describe(record, True), flush=True)
            results.append(args.out, record)
    print(f"\nresults: {args.out}")


if __name__ == "__main__":
    sys.exit(main())
