#!/usr/bin/env python3
"""Let the examples talk to the programs that people use: servers, balancers, proxies and libraries of others.

    target/interop/venv/bin/python tests/interop/run.py [--only PATTERN] [--list]

One line a case: ok, skipped or FAILED with the reason. Everything runs on 127.0.0.1 on free ports, with its files
below target/interop/run, and ends with the run. The exit status is 1 when a case has failed.
"""
import argparse
import pathlib
import re
import shutil
import signal
import sys
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import kit  # noqa: E402

SECONDS = 30  # for one case


def load():
    try:
        __import__("websockets")
    except ImportError:
        sys.exit("run tests/interop/install.sh target/interop, then this with target/interop/venv/bin/python")
    for part in ["tls_client", "tls_server", "front", "proxy", "http", "reconnect", "unix", "metrics"]:
        __import__("cases_" + part)


def overdue(*_):
    raise AssertionError("not done after %d s" % SECONDS)


def attempt(function, lab):
    """("ok" or "skipped" or "FAILED", why)"""
    signal.alarm(SECONDS)
    try:
        function(lab)
        return "ok", ""
    except kit.Skip as why:
        return "skipped", str(why)
    except Exception as why:
        kind = "" if isinstance(why, AssertionError) else type(why).__name__ + ": "
        return "FAILED", kind + str(why)
    finally:
        signal.alarm(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="PATTERN", help="only cases whose name has this (a regular expression)")
    parser.add_argument("--list", action="store_true", help="only tell their names")
    args = parser.parse_args()
    load()
    chosen = [(name, function) for name, function in kit.CASES if re.search(args.only, name)]
    if args.list:
        print("\n".join(name for name, _ in chosen))
        return 0
    for needed in [kit.C / "wscat", kit.C / "echo_server", kit.HOME / "client"]:
        if not needed.exists():
            parser.error("%s is not there: make interop builds it" % needed)
    if not chosen:
        parser.error("no case has %r in its name" % args.only)

    from lab import Lab
    shutil.rmtree(kit.WORK, ignore_errors=True)
    kit.WORK.mkdir(parents=True)
    signal.signal(signal.SIGALRM, overdue)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that finally runs
    began, counts = time.monotonic(), {"ok": 0, "skipped": 0, "FAILED": 0}
    try:
        lab = Lab()
        for name, function in chosen:
            verdict, why = attempt(function, lab)
            counts[verdict] += 1
            print("%-8s%s%s" % (verdict, name, why and ": " + why.replace("\n", "\n            ")), flush=True)
    finally:
        kit.stop_all()
    print("interop: %d of %d cases ok, %d skipped, %d FAILED, %d s" % (
        counts["ok"], len(chosen), counts["skipped"], counts["FAILED"], time.monotonic() - began))
    return 1 if counts["FAILED"] else 0


if __name__ == "__main__":
    sys.exit(main())
