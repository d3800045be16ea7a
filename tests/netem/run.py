#!/usr/bin/env python3
"""Our client and our server on a network that loses, delays, doubles and cuts: `make netem`. Wants root, and a kernel with
network namespaces; without them it says so and does nothing."""
import argparse
import concurrent.futures
import os
import signal
import sys
import time

sys.dont_write_bytecode = True
import net  # noqa: E402
import peers  # noqa: E402
import spoiled  # noqa: E402
import vanished  # noqa: E402

CASES = {**spoiled.CASES, **vanished.CASES}
# The short version: those that are done in a moment, however busy the machine is.
QUICK = ["10 % are lost, dropped by nft", "packets of 576 bytes", "gone while idle", "gone before TCP", "gone in the handshake",
         "a name that nobody answers for"]


def be_patient():
    """For machines that are busy: silence means less, and what is late is late enough only when it hangs."""
    vanished.WATCHFUL.update(ping=1000, pong=5000)
    vanished.IN_TIME = peers.PATIENCE


def attempt(name, kind):
    """What went wrong, or nothing, and how long it took."""
    begin, why = time.monotonic(), ""
    try:
        CASES[name](kind)
    except (peers.Wrong, net.Cannot) as error:
        why = str(error)
    return why, time.monotonic() - begin


def chosen(args):
    names = QUICK if args.quick else [name for name in CASES if not args.only or args.only in name]
    if spoiled.STRANGERS & set(names) and not peers.has_python_peer():
        print("skipped: Python's websockets as a peer, which is not there: make netem installs it")
        names = [name for name in names if name not in spoiled.STRANGERS]
    return names


def give_up(number, _):
    net.remove_all()
    os._exit(128 + number)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="cases whose name has this in it")
    parser.add_argument("--quick", action="store_true", help="some of them, for continuous integration")
    parser.add_argument("--jobs", type=int, default=4, help="so many at a time (4): most of them wait")
    args = parser.parse_args()
    try:
        net.look_for_means()
        peers.make_certificate()
        kind = "veth" if args.quick else net.spoiling_kind()
    except net.Cannot as why:
        print(f"skipped: bad networks: {why}")
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, give_up)
    if args.quick:
        be_patient()
    names, failed = chosen(args), 0
    if not args.quick:
        print(f"packets are delayed, reordered and doubled by {'netem' if kind == 'netem' else 'a wire of our own between TUN devices, for want of netem'}; "
              "nft drops, tbf slows down")
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for name, (why, seconds) in zip(names, pool.map(lambda name: attempt(name, kind), names)):
            failed += bool(why)
            print(f"{'FAILED' if why else 'ok':7}{name:42}{seconds:6.1f} s{'  ' + why if why else ''}", flush=True)
    print(f"bad networks: {len(names) - failed} of {len(names)} cases are as they must be")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
