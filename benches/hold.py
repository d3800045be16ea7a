#!/usr/bin/env python3
"""How many connections are held, and how many may come at once: `make load`.

steady: so many connections to one process, each of which says something every second; how long the answers take.
storm:  so many connect in one moment, while the server runs and while it is stopped; nobody may be refused.
many:   as many processes with as many connections as the system gives, and what stopped it.
"""
import argparse
import contextlib
import json
import pathlib
import re
import subprocess
import sys

sys.dont_write_bytecode = True
from suite import machine, processes  # noqa: E402
from suite.sides import BENCH, ROOT  # noqa: E402

# Descriptors of a process that are not connections, and memory that stays for others, in KiB.
SPARE, RESERVE = 64, 3 << 20
STEADY = (f"{'':24} {'messages':>9} {'answered':>9} {'p50':>9} {'p99':>9} {'p99.9':>9} {'most':>9}   {'asked late, p99':>15}  "
          f"{'server':>18}")


def system(name):
    return pathlib.Path("/proc/sys", name).read_text().split()


def memory_kib(name):
    return int(re.search(rf"{name}: *(\d+)", pathlib.Path("/proc/meminfo").read_text()).group(1))


def tcp_counter(name):
    """A figure of TCP since the machine was started."""
    names, figures = pathlib.Path("/proc/net/netstat").read_text().splitlines()[:2]
    return int(dict(zip(names.split(), figures.split())).get(name, 0))


def echo_server(name, on=None):
    return processes.Server(f"hold-{name}", lambda port: f"{ROOT}/target/c/echo_server --port {port}", on)


def loadgen(server, *args, **how):
    command = [BENCH / "loadgen", "--port", server.port, "--server-pid", server.pid, *args]
    return subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True, **how)


def found_in(text):
    found = json.loads(text) if text else {"fatal": "the load generator ended without a word"}
    if "fatal" in found:
        raise processes.Failure(found["fatal"])
    return found


def result(process, patience):
    try:
        return found_in(process.communicate(timeout=patience)[0])
    except subprocess.TimeoutExpired as error:
        raise processes.Failure("the load generator does not end") from error
    finally:
        process.kill()


def ms(us):
    return f"{us / 1000:,.1f} ms"


def tell_steady(name, found):
    print(f"{name:24} {found['asked']:9,} {found['answered']:9,} " + " ".join(
        f"{ms(found[f'answer_{which}_us']):>9}" for which in ("p50", "p99", "p999", "max")) +
        f"   {ms(found['late_p99_us']):>15}  {found['server_cpu_pct']:5.1f} %, {found['server_kib'] / 1024:5.0f} MiB", flush=True)


def steady(args):
    server_core, own_core = processes.cores()
    with echo_server("steady", {server_core}) as server:
        found = result(loadgen(server, "--mode", "steady", "--conns", args.conns, "--time", args.time, "--cpu", own_core),
                       args.time + 240)
    print(STEADY)
    tell_steady(f"{args.conns:,}, each 1 a second", found)
    return found["answered"] == found["asked"]


def storm(args):
    print(f"{'':24} {'opened':>9} {'refused':>9} {'calling':>9} {'all open':>9}   from one's call on {'p50':>9} {'p99':>9}")
    fine = True
    for name, more in {"the server runs": [], "the server is stopped": ["--stop"]}.items():
        with echo_server("storm") as server:
            found = result(loadgen(server, "--mode", "storm", "--conns", args.storm, *more), 240)
        fine &= found["answered"] == args.storm and not found["errors"]
        print(f"{name:24} {found['opened']:9,} {found['errors']:9,} {found['calling_seconds']:7.2f} s {found['seconds']:7.2f} s   "
              f"{'':18} {ms(found['open_p50_us']):>9} {ms(found['open_p99_us']):>9}", flush=True)
    return fine


def wait_until_open(generator):
    """What stopped it, or nothing."""
    line = generator.stderr.readline()
    if line == "open\n":
        return ""
    return line.strip() or "the load generator ended"


def fill(stack, args):
    """Pairs of a server and a load generator with all connections open, and why there are not more."""
    pairs = []
    while len(pairs) < args.processes:
        if memory_kib("MemAvailable") < RESERVE:
            return pairs, f"memory: less than {RESERVE >> 20} GiB are left"
        try:
            server = stack.enter_context(echo_server(f"many-{len(pairs)}"))
        except processes.Failure as error:
            return pairs, f"a server: {error}"
        generator = stack.enter_context(loadgen(server, "--mode", "steady", "--conns", args.conns, "--every", args.every,
                                                "--time", 2 * args.every, "--wait", stdin=subprocess.PIPE,
                                                stderr=subprocess.PIPE))
        stack.callback(generator.kill)
        why = wait_until_open(generator)
        if why:
            return pairs, why
        pairs.append((server, generator))
    return pairs, "as many as were asked for (--processes)"


def many(args):
    before, pressed = memory_kib("SUnreclaim"), tcp_counter("TCPMemoryPressures")
    with contextlib.ExitStack() as stack:
        pairs, why = fill(stack, args)
        held = len(pairs) * args.conns
        kernel = (memory_kib("SUnreclaim") - before) * 1024 / max(held, 1)
        print(f"{held:,} connections are open in {len(pairs)} processes. What ended it: {why}. "
              f"The system takes {kernel:,.0f} bytes for both ends of one.")
        for _, generator in pairs:
            generator.stdin.close()
        print(STEADY)
        try:
            for number, (_, generator) in enumerate(pairs, 1):
                tell_steady(f"{number}: each 1 in {args.every:g} s", found_in(generator.stdout.readline()))
        finally:
            if tcp_counter("TCPMemoryPressures") > pressed:
                print("The system was short of memory for TCP, above the second figure of net.ipv4.tcp_mem, meanwhile: "
                      "more than that is held, but does not talk.")
    return bool(pairs)


PARTS = {"steady": steady, "storm": storm, "many": many}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PARTS, action="append", help="only this part; again for more")
    parser.add_argument("--conns", type=int, default=15000, help="connections to one process (15000)")
    parser.add_argument("--time", type=int, default=60, help="seconds that they talk (60)")
    parser.add_argument("--storm", type=int, default=10000, help="connections at once (10000)")
    parser.add_argument("--processes", type=int, default=4, help="servers at most in many (4)")
    parser.add_argument("--every", type=float, default=30, help="seconds from one message to the next in many (30)")
    args = parser.parse_args()
    descriptors = processes.all_descriptors()
    about = machine.describe()
    print(f"{about['cpu']}, {about['cores']} cores, Linux {about['kernel']}, {memory_kib('MemAvailable') >> 20} GiB; {about['commit']}\n"
          f"descriptors of a process: {descriptors:,}; net.core.somaxconn: {system('net/core/somaxconn')[0]}; "
          f"ports: {'-'.join(system('net/ipv4/ip_local_port_range'))} at each of 200 addresses; "
          f"net.ipv4.tcp_mem: {' '.join(system('net/ipv4/tcp_mem'))} pages", flush=True)
    if descriptors < max(args.conns, args.storm) + SPARE:
        sys.exit(f"load: a process has {descriptors} descriptors here (ulimit -Hn): --conns and --storm ask for more")
    fine = True
    for part in args.only or PARTS:
        print(f"\n{part}")
        try:
            fine &= PARTS[part](args)
        except processes.Failure as error:
            print(f"{part}: {error}")
            fine = False
    sys.exit(not fine)


if __name__ == "__main__":
    main()
