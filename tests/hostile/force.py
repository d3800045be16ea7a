#!/usr/bin/env python3
"""Attack the echo server with all that this machine has, and measure how long clients that behave have to wait.

    tests/hostile/force.py [--only PATTERN] [--seconds 2] [--rounds 3]

The attackers have a core for themselves. The clients go before the server on the other: they need little of it, and
what they wait for is then the server and nothing else. Each attack is told against the moments before it, without: a
ratio says more than microseconds of whatever machine this is. Of several rounds the one with the median ratio is told,
and the least and the greatest ratio: single ones are disturbed by whatever else the machine does.
"""
import argparse
import atexit
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import certs  # noqa: E402
import sieges  # noqa: E402
import target  # noqa: E402

SERVER_CORE, OTHER_CORE = 0, 1
MOST = 3  # times the p99 without the attack
SETTLE = 1  # seconds of attack before anything is measured


def hurry():
    """What else this machine is doing shall wait for the moment, where we may ask for that."""
    group = pathlib.Path("/proc/self/autogroup")
    if os.geteuid() == 0 and group.exists():
        before = group.read_text().split()[-1]
        group.write_text("-20")
        atexit.register(group.write_text, before)


def first(command):
    """Before everybody else on that core, where we may ask for that."""
    return ["chrt", "--fifo", "1", *command] if os.geteuid() == 0 else command


class Victims:
    """Clients that wait for the word to begin."""

    def __init__(self, server, seconds, ca):
        command = ["taskset", "-c", str(SERVER_CORE), str(target.PROGRAMS / "victims"), "--url",
                   server.url.replace("127.0.0.1", "localhost"), "--seconds", str(seconds)]
        self.process = subprocess.Popen(first(command + (["--ca", ca] if ca else [])), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError("the clients cannot connect")

    def measure(self):
        told, _ = self.process.communicate("\n")
        return json.loads(told)


def run(siege, seconds, folder):
    ca = str(folder / "certs" / "ca.pem") if siege.tls else None
    tls = ["--cert", folder / "certs" / "server.pem", "--key", folder / "certs" / "server.key"] if siege.tls else []
    with target.Server(*siege.server, *tls, core=SERVER_CORE) as server:
        calm = Victims(server, seconds, ca).measure()
        server.forget_peak()
        before = server.memory()
        victims = Victims(server, seconds, ca)
        attack = siege.lay(server.port, seconds + SETTLE + 1, folder, ["taskset", "-c", OTHER_CORE])
        time.sleep(SETTLE)
        cpu = server.cpu_seconds()
        harm = victims.measure()
        cpu = (server.cpu_seconds() - cpu) / seconds
        came = json.loads(attack.communicate()[0])
        return calm, harm, came, cpu, before, server.memory("VmHWM")


COLUMNS = "%-33s %6s %6s %6s %6s %-11s %-7s %7s %7s %8s %10s %5s %6s %6s  %s"
TITLES = ("microseconds; MiB", "p50", "p99", "under", "ratio", "of", "at", "to open", "under", "attacks", "attacks", "CPU", "peak",
          "bound", "")
TITLES_BELOW = ("", "calm", "calm", "attack", "", "all", "most 3", "p99", "attack", "connect", "send", "", "", "", "")


def p99_under(harm):
    return harm["echo"].get("p99", float("inf"))


def ratio_of(rounded):
    calm, harm, *_ = rounded
    return p99_under(harm) / calm["echo"]["p99"]


def is_served(siege, rounded):
    """Whether nobody lost anything, and memory stayed within its bound."""
    _, harm, _, _, before, peak = rounded
    return not harm["lost"] and not harm["wrong"] and peak - before <= siege.bound()


def tell(siege, rounds):
    """One line; whether that is good."""
    rounds.sort(key=ratio_of)
    ratios = [ratio_of(rounded) for rounded in rounds]
    calm, harm, came, cpu, _, _ = rounds[len(rounds) // 2]
    ratio, grown = ratios[len(rounds) // 2], max(peak - before for *_, before, peak in rounds)
    served = all(is_served(siege, rounded) for rounded in rounds)
    good = ratio <= MOST and served
    verdict = "ok" if good else "FAILED"
    in_all = {what: sum(harm[what] for _, harm, *_ in rounds) for what in ("lost", "wrong")}
    notes = ["%(turned_away)d newcomers turned away" % harm] if harm["turned_away"] else []
    notes += ["%s: %d" % (what, count) for what, count in in_all.items() if count]
    print(COLUMNS % (
        siege.name, calm["echo"]["p50"], calm["echo"]["p99"], p99_under(harm), "%.1f" % ratio,
        "%.1f-%.1f" % (ratios[0], ratios[-1]), verdict,
        calm["opening"].get("p99", "-"), harm["opening"].get("p99", "-"), "%d/s" % (came["connected"] / came["seconds"]),
        "%.1f MB/s" % (came["sent"] / came["seconds"] / 1e6), "%d%%" % (cpu * 100), "%.0f" % (grown / 2**20),
        "%.0f" % (siege.bound() / 2**20), "; ".join(notes)), flush=True)
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="PATTERN", help="attacks whose name has this (a regular expression)")
    parser.add_argument("--seconds", type=float, default=2, help="for each measurement (2)")
    parser.add_argument("--rounds", type=int, default=3, help="of each attack (3)")
    args = parser.parse_args()
    if args.rounds < 1:
        parser.error("--rounds: at least 1")
    hurry()
    print((COLUMNS + "\n" + COLUMNS) % (TITLES + TITLES_BELOW))
    with tempfile.TemporaryDirectory(prefix="hostile") as name:
        folder = pathlib.Path(name)
        if not certs.available():
            sys.exit("openssl makes the certificates: apt-get install openssl")
        certs.make(folder / "certs")
        good = [tell(siege, [run(siege, args.seconds, folder) for _ in range(args.rounds)])
                for siege in sieges.sieges() if re.search(args.only, siege.name)]
    sys.exit(not all(good))


if __name__ == "__main__":
    main()
