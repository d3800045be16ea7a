"""What the cases stand on: the list of them, processes that end with the run, our two programs."""
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOME = ROOT / "target" / "interop"
WORK = HOME / "run"
C = ROOT / "target" / "c"
USER, PASSWORD = "anna", "geheim/1"  # of every proxy and server that asks
QUOTED = USER + ":" + urllib.parse.quote(PASSWORD, safe="")  # as in a URL

CASES = []  # (name, function)
_running = []


class Skip(Exception):
    """Why a case cannot be run on this machine."""


def case(name):
    def register(function):
        assert name not in (known for known, _ in CASES), name
        CASES.append((name, function))
        return function
    return register


def cases(name, rows):
    """A case for each row (label, arguments...): the function is called with the arguments."""
    def register(function):
        for label, *args in rows:
            case("%s: %s" % (name, label))(lambda lab, args=args: function(lab, *args))
        return function
    return register


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


def until(happened, what, seconds=10):
    """Wait until happened() is true; its value."""
    deadline = time.monotonic() + seconds
    while not (value := happened()):
        if time.monotonic() > deadline:
            raise AssertionError("not within %d s: %s" % (seconds, what))
        time.sleep(0.02)
    return value


class Process:
    """A program that runs beside the cases. What it prints is in a file below target/interop/run."""

    def __init__(self, name, *command, ports=(), env=None, stdin=subprocess.DEVNULL):
        self.name = name
        self.path = WORK / (name + ".log")
        with open(self.path, "wb") as log:
            self.process = subprocess.Popen(command, cwd=WORK, stdin=stdin, stdout=log, stderr=log, env=env)
        _running.append(self)
        until(lambda: self.alive() and all(accepts(port) for port in ports), "%s listens" % name)

    def alive(self):
        status = self.process.poll()
        if status is not None:
            raise AssertionError("%s has ended with status %d: %s" % (self.name, status, self.log()[-500:].strip()))
        return True

    def log(self):
        return self.path.read_text(errors="replace")

    def wait_for(self, pattern):
        return until(lambda: re.search(pattern, self.log(), re.M) or not self.alive(), "%s prints %s" % (self.name, pattern))

    def stop(self, how=signal.SIGTERM):
        if self in _running:
            _running.remove(self)
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def stop_all():
    for process in reversed(list(_running)):
        process.stop()


class Echo(Process):
    """Our echo_server; tells who comes and goes in its log."""

    count = 0

    def __init__(self, *args):
        Echo.count += 1
        super().__init__("echo_server-%d" % Echo.count, C / "echo_server", "--verbose", *map(str, args))
        self.url = self.wait_for(r"^listening on (.*)$").group(1)
        port = re.search(r":(\d+)/$", self.url)
        self.port = int(port.group(1)) if port else None


def program(name):
    """Where a program is; servers are often outside of a user's PATH."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")
    if not found:
        raise AssertionError("%s is not here: run tests/interop/install.sh" % name)
    return found


def run(*command, stdin=b"", env=None, timeout=15):
    """(exit status, standard output, standard error)"""
    done = subprocess.run(list(map(str, command)), input=stdin, capture_output=True, cwd=WORK, timeout=timeout, env=env)
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def must(pattern, text, what="the answer"):
    """text has pattern (may span lines); the match."""
    found = re.search(pattern, text, re.M)
    if not found:
        raise AssertionError("%s has no /%s/: %s" % (what, pattern, text.strip()[-700:] or "(nothing)"))
    return found


def same(got, wanted):
    if got != wanted:
        raise AssertionError("%r is not %r" % (got, wanted))


def wscat(*args, env=None, message="Grüße"):
    """What comes back for a message, and what wscat says about it."""
    status, out, err = run(C / "wscat", "-v", "-x", message, *args, env=env)
    if status != 0:
        raise AssertionError("wscat %s ends with %d: %s" % (" ".join(map(str, args)), status, err.strip()))
    return out.rstrip("\n"), err


def echoes(*args, env=None):
    """wscat gets its message back; what it says on standard error."""
    out, err = wscat(*args, env=env)
    same(out, "Grüße")
    return err


def refused(pattern, *args, env=None):
    """wscat fails and says why, on a line that has pattern."""
    status, out, err = run(C / "wscat", "-v", "-x", "hello", *args, env=env)
    if status != 1 or out:
        raise AssertionError("wscat ends with %d and not 1: %s%s" % (status, out, err.strip()))
    must("^wscat: .*(%s)" % pattern, err, "wscat's error")
    return err


def client(*args, env=None):
    """Facts that tests/interop/client.c prints, as a dict; a name that comes again makes a list."""
    _, out, err = run(HOME / "client", *args, env=env)
    facts = {}
    for line in out.splitlines():
        name, _, value = line.partition(": ")
        facts.setdefault(name, []).append(value)
    if "end" not in facts:
        raise AssertionError("client %s: %s" % (" ".join(map(str, args)), (err or out).strip()))
    return {name: values[0] if len(values) == 1 else values for name, values in facts.items()}
