#!/usr/bin/env python3
"""Measure libwsock against the least that can be done, and against other libraries, on this machine.

Every sample comes right behind one of the reference, `limit_ws` mostly, and the ratio is formed within that pair from
CPU time per message, so that a machine that drifts, or that others use, too, shifts both. "again" is the reference a
second time, against itself: differences smaller than its spread are noise. Rates by the clock are an indication only.
"""
import argparse
import fnmatch
import pathlib
import signal
import sys
import time

sys.dont_write_bytecode = True
from suite import certificate, machine, processes, progress, results, sides  # noqa: E402
from suite.configs import CONFIGS  # noqa: E402
from suite.measure import measure, samples  # noqa: E402
from suite.sample import Bench, missing  # noqa: E402


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="NAMES", help="configurations, with commas between; * and ? are wild")
    parser.add_argument("--sides", metavar="NAMES", help="sides, in the same way; the reference is always there")
    parser.add_argument("--rounds", type=int, default=5, help="samples of each side (5)")
    parser.add_argument("--seconds", type=float, default=1.0, help="of a sample (1), after")
    parser.add_argument("--warmup", type=float, default=0.2, help="seconds that do not count (0.2)")
    parser.add_argument("--peers", action="store_true", help="with what benches/peers/install.sh has built")
    parser.add_argument("--peer", metavar="NAME[:MODES]=COMMAND", action="append", default=[],
                        help="one more server; {port} is where it listens, or --port NUMBER goes behind the command; "
                        "MODES are echo,text without any, of echo,text,tls,deflate,broadcast,client: benches/suite/sides.py")
    parser.add_argument("--out", metavar="FILE", help="append the results to this file")
    parser.add_argument("--list", action="store_true", help="name configurations and sides, and measure nothing")
    return parser, parser.parse_args()


def chosen(names, items, what, parser):
    """Those of the items that the patterns name; all without patterns."""
    patterns = names.split(",") if names else ["*"]
    for pattern in patterns:
        if not any(fnmatch.fnmatchcase(item.name, pattern) for item in items):
            parser.error(f"there is no {what} {pattern!r}: --list")
    return [item for item in items if any(fnmatch.fnmatchcase(item.name, pattern) for pattern in patterns)]


def all_sides(args, parser):
    """The sides to measure, and references, which are always there."""
    known = list(sides.SIDES)
    if args.peers:
        try:
            sides.add_peers(known)
        except OSError:
            parser.error(f"{sides.PEERS} is missing: make bench-peers builds them")
    for peer in args.peer:
        name, equals, command = peer.partition("=")
        name, _, names = name.partition(":")
        if not equals or not name or not command:
            parser.error(f"--peer {peer!r}: NAME=COMMAND is expected")
        sides.add(known, name, command, (names or "echo,text").split(","))
    if args.list:
        return known
    wanted = chosen(args.sides, known, "side", parser)
    references = {config.reference for config in CONFIGS}
    return [side for side in known if side.name in references or (side in wanted and (args.sides or not side.asked))]


def describe(record, reference):
    """A line for people."""
    title = record["title"] + (f" {record['version']}" if record["version"] else "")
    if "failed" in record:
        return f"  {title:28} {record['failed']}"
    figure = results.median(results.figures(record))
    if not reference:
        return f"  {title:28} {figure:12,.0f} bytes"
    efficiency = results.efficiency(record)
    ratio = "%5.2f (%.2f-%.2f)" % efficiency if efficiency else " 1"
    rate = results.median(results.figures(record, "per_second"))
    return f"  {title:28} {figure:12,.0f} ns   {ratio:18}  ({rate:,.0f}/s)"


def show(config, records):
    print(f"\n{config.title} ({config.name})", flush=True)
    for record in records:
        print(describe(record, config.kind != "memory"), flush=True)


def possible(bench, configs):
    """The configurations but for those that this machine lacks something for."""
    lacks = {mode: reason for mode in ("tls", "deflate") if (reason := missing(f"--{mode}"))}
    try:
        bench.tls = dict(zip(("cert", "key"), certificate.make()))
    except processes.Failure as failure:
        lacks["tls"] = str(failure)
    for config in configs:
        if config.mode in lacks:
            print(f"skipped: {config.title}: {lacks[config.mode]}")
    return [config for config in configs if config.mode not in lacks]


def warn(bench, configs, descriptors):
    if bench.first == bench.second:
        print("only one core: servers and load generator share it, and disturb each other")
    if bench.most_idle < max((config.idle for config in configs), default=0):
        print(f"only {bench.most_idle} idle connections and not 10,000: this system allows {descriptors} descriptors "
              "(ulimit -Hn; as root: ulimit -n 20000)")
    if any(not config.one_core for config in configs):
        print("two loops: the load generator shares their cores")


def main():
    parser, args = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and not without ending the servers
    known = all_sides(args, parser)
    if args.list:
        for item in CONFIGS + known:
            print(f"{item.name:22} {item.title}")
        return 0
    configs = chosen(args.only, CONFIGS, "configuration", parser)
    path = results.RESULTS / time.strftime("%Y-%m-%dT%H-%M-%S.jsonl") if not args.out else pathlib.Path(args.out)
    descriptors = processes.all_descriptors()
    bench = Bench(args.seconds, args.warmup, descriptors)
    configs = possible(bench, configs)
    warn(bench, configs, descriptors)
    results.append(path, {"machine": machine.describe() | {"rounds": args.rounds, "seconds": args.seconds}})
    bar = progress.Progress(sum(samples(config, known, args.rounds) for config in configs))
    failed = False
    for config in configs:
        records = measure(bench, config, known, args.rounds, bar)
        bar.clear()
        show(config, records)
        for record in records:
            results.append(path, record)
            failed |= "failed" in record
    print(f"\nresults: {path}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
