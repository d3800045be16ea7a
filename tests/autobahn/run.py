#!/usr/bin/env python3
"""Run the Autobahn WebSocket test suite against a server or a client, and judge the outcome.

    run.py [options] server COMMAND...    COMMAND starts an echo server whose first line ends in its URL
    run.py --url URL [options] server     a server that already runs
    run.py [options] client COMMAND...    COMMAND is run with the suite's URL appended (or in place of {url})

With --tls all of it goes over wss: COMMAND gets --cert FILE --key FILE of a server, or --cacert FILE of a client.

Every case must run, end as OK (or INFORMATIONAL, where the suite has no opinion) and close as it should:
NON-STRICT, UNIMPLEMENTED, FAILED, WRONG CODE, UNCLEAN, a missing case, a server that does not end with
status 0 on SIGTERM or a client that does not end with 0 give exit status 1.
"""
import argparse
import json
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tests"))
import certs  # noqa: E402

WORK = ROOT / "target" / "autobahn"
WSTEST = WORK / "venv" / "bin" / "wstest"

# A case written out in full is exact; with * it is a prefix. The number guards against a pattern that
# quietly matches less than it did.
SELECTIONS = {
    # Seconds rather than minutes: everything without fixed long waits, and of the big ones a few of each kind.
    "quick": (["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*",
               "9.1.3", "9.2.6", "9.3.4", "9.4.7", "9.5.3", "9.6.4", "9.7.4", "9.8.5",
               "12.1.1", "12.1.8", "12.2.11", "12.3.5", "12.4.12", "12.5.11",
               "13.1.3", "13.2.6", "13.3.2", "13.3.6", "13.4.4", "13.5.7", "13.6.12", "13.7.1"], 269),
    "all": (["*"], 517),
}
GOOD = {"OK", "INFORMATIONAL"}


class Progress:
    """Counts verdicts; prints a line per section, and every 20 s within a long one."""

    def __init__(self, name, expected, good):
        self.name, self.expected, self.good = name, expected, good
        self.cases, self.bad = {}, []
        self.section, self.printed = None, time.monotonic()

    def verdict(self, case, behaviour, close):
        section = int(case.split(".")[0])
        if self.section not in (None, section) or time.monotonic() - self.printed > 20:
            self.show()
        self.section = section
        self.cases[case] = (behaviour, close)
        if not {behaviour, close} <= self.good:
            self.bad.append(case)
            print("  ! %-8s %s, close: %s" % (case, behaviour, close), flush=True)

    def show(self):
        self.printed = time.monotonic()
        print("%s: section %-2d  %3d of %d cases done, %d failed"
              % (self.name, self.section, len(self.cases), self.expected, len(self.bad)), flush=True)


def follow(wstest, progress, log):
    """Read what wstest says until it ends."""
    for line in wstest.stdout:
        log.write(line)
        match = re.fullmatch(r"VERDICT (.*)\|(.*)\|(.*)\n", line)
        if match:
            progress.verdict(*match.groups())
    wstest.wait()
    if progress.section is not None:
        progress.show()


def start_wstest(mode, spec, outdir):
    shutil.rmtree(outdir, ignore_errors=True)  # wstest overwrites file by file: a crash would leave old results
    outdir.mkdir(parents=True)
    path = outdir / "spec.json"
    path.write_text(json.dumps({**spec, "outdir": str(outdir), "exclude-cases": [], "exclude-agent-cases": {}}))
    # -u 0: no web server beside the fuzzing server.
    return subprocess.Popen([WSTEST, "-m", mode, "-u", "0", "-s", path],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")


def stop(process):
    """End a process with SIGTERM; its exit status."""
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return "none: killed 20 s after SIGTERM"


def test_server(args, patterns, progress, outdir):
    server, url = None, args.url
    problems = []
    if not url:
        files = ["--cert", args.tls / "server.pem", "--key", args.tls / "server.key"] if args.tls else []
        server = subprocess.Popen([*args.command, *files], stdout=subprocess.PIPE, text=True)
        url = server.stdout.readline().split()[-1:]
        if not url:
            return ["the server ended before it listened, with status %s" % server.wait()]
        url = url[0]
    spec = {"servers": [{"agent": "server", "url": url}], "cases": patterns}
    wstest = start_wstest("fuzzingclient", spec, outdir)
    timer = threading.Timer(args.timeout, wstest.kill)
    timer.start()
    with open(outdir / "wstest.log", "w") as log:
        follow(wstest, progress, log)
    if not timer.is_alive():
        problems.append("not done after %d s" % args.timeout)
    timer.cancel()
    if server:
        died = server.poll()
        status = stop(server) if died is None else died
        if died is not None:
            problems.append("the server died, exit status %s" % died)
        elif status != 0:
            problems.append("the server's exit status after SIGTERM is %s" % status)
    return problems


def test_client(args, patterns, progress, outdir):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = "%s://127.0.0.1:%d" % ("wss" if args.tls else "ws", port)
    files = {"key": str(args.tls / "server.key"), "cert": str(args.tls / "server.pem")} if args.tls else {}
    wstest = start_wstest("fuzzingserver", {"url": url, "cases": patterns, **files}, outdir)
    problems = []
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            if wstest.poll() is not None or time.monotonic() > deadline:
                wstest.kill()
                return ["wstest does not listen: " + wstest.communicate()[0]]
            time.sleep(0.1)

    command = [part.replace("{url}", url) for part in args.command]
    if args.tls:
        command[1:1] = ["--cacert", args.tls / "ca.pem"]
    if not any("{url}" in part for part in args.command):
        command.append(url)

    def drive():
        with open(outdir / "client.log", "w") as out:
            client = subprocess.Popen(command, stdout=out, stderr=out)
            try:
                status = client.wait(timeout=args.timeout)
                if status != 0:
                    log = (outdir / "client.log").relative_to(ROOT)
                    problems.append("the client's exit status is %s, see %s" % (status, log))
                    wstest.kill()
            except subprocess.TimeoutExpired:
                client.kill()
                client.wait()
                problems.append("not done after %d s" % args.timeout)
        # The client's last request ends wstest; one that does not make it is tolerated.
        try:
            wstest.wait(timeout=20)
        except subprocess.TimeoutExpired:
            wstest.kill()

    driver = threading.Thread(target=drive)
    driver.start()
    with open(outdir / "wstest.log", "w") as log:
        follow(wstest, progress, log)
    driver.join()
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", choices=["server", "client"])
    parser.add_argument("--cases", default="quick", metavar="quick|all|PATTERN,...", help="default: quick")
    parser.add_argument("--timeout", type=int, default=3600, metavar="SECONDS", help="for the whole run")
    parser.add_argument("--queued", action="store_true", help="NON-STRICT will do: what was received before a violation is not "
                        "answered, since the program hears of it later")
    parser.add_argument("--tls", action="store_true", help="over wss, with certificates made for it")
    parser.add_argument("--url", help="test a server that already runs")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    if bool(args.command) == bool(args.url) or (args.mode == "client" and args.url):
        parser.error("a server needs a command or --url, a client a command")
    if args.tls and (args.url or not certs.available()):
        parser.error("--tls needs a command" if args.url else "--tls needs openssl: apt-get install openssl")
    if not WSTEST.exists():
        parser.error("run tests/autobahn/install.sh target/autobahn/venv first")

    patterns, expected = SELECTIONS.get(args.cases, (args.cases.split(","), 1))
    name = args.mode + ("-tls" if args.tls else "")
    progress = Progress(name, expected, GOOD | {"NON-STRICT"} if args.queued else GOOD)
    outdir = WORK / name
    args.tls = certs.make(WORK / ("certs-" + args.mode)) if args.tls else None
    if args.command and not shutil.which(args.command[0]):
        parser.error("%s: no such program; make examples builds ours" % args.command[0])
    print("%s: %s" % (name, args.url or shlex.join(args.command)), flush=True)
    began = time.monotonic()
    problems = (test_server if args.mode == "server" else test_client)(args, patterns, progress, outdir)

    counts = {}
    for behaviour, _ in progress.cases.values():
        counts[behaviour] = counts.get(behaviour, 0) + 1
    if not (outdir / "index.json").exists():
        problems.append("the suite wrote no report")
    if len(progress.cases) < expected:
        problems.append("only %d of %d cases ran" % (len(progress.cases), expected))
    if progress.bad:
        problems.append("%d cases are not as they must be: %s" % (len(progress.bad), " ".join(progress.bad)))
    print("%s: %d cases in %d s: %s" % (name, len(progress.cases), time.monotonic() - began,
                                        ", ".join("%s %d" % item for item in sorted(counts.items())) or "none"))
    for problem in problems:
        print("  ! " + problem)
    print("  report: %s" % (outdir / "index.html").relative_to(ROOT))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
