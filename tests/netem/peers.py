"""The programs that talk over the link, and what they tell."""
import contextlib
import json
import pathlib
import queue
import subprocess
import threading
import time

from net import SERVER, run

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / "target" / "netem"
PORT = 9001
URL = f"ws://{SERVER}:{PORT}/"
CERTIFICATE = {"cert": PROGRAMS / "cert.pem", "key": PROGRAMS / "key.pem"}
# Seconds. Nothing takes this long unless it hangs.
PATIENCE = 120
MESSAGES_OF_STRANGERS = 60


class Wrong(Exception):
    """Something is not as it must be."""


class Program:
    """One that prints events, each a line of JSON."""

    def __init__(self, command):
        self.process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)
        self.lines, self.told = queue.Queue(), []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for text in self.process.stdout:
            self.lines.put(json.loads(text))
        self.lines.put({"event": "gone"})

    def expect(self, event, **fields):
        """The next event of that name, which has these fields; those before it are skipped. `took` is how many seconds it took
        to come."""
        begin = time.monotonic()
        while True:
            try:
                found = self.lines.get(timeout=max(0.1, begin + PATIENCE - time.monotonic()))
            except queue.Empty:
                raise Wrong(f"no {event} in {PATIENCE} s, only {self.told}") from None
            self.told.append(found)
            if found["event"] == event:
                break
            if found["event"] in ("broken", "gone"):
                raise Wrong(f"{event} was expected, but: {self.told[-3:]}")
        for name, value in fields.items():
            if found[name] not in (value if isinstance(value, tuple) else (value,)):
                raise Wrong(f"{name} must be {value}: {found}")
        return {**found, "took": time.monotonic() - begin}

    def end(self):
        """That it ends by itself, and well."""
        self.expect("ended")
        if self.process.wait(PATIENCE) != 0:
            raise Wrong(f"ended with status {self.process.returncode}")

    def close(self):
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def running(command):
    program = Program(command)
    try:
        yield program
    finally:
        program.close()


@contextlib.contextmanager
def server(net, **options):
    with running(net.inside(1, PROGRAMS / "serve", *switches(options))) as program:
        program.expect("listening")
        yield program


def make_certificate():
    """Before cases run side by side."""
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650",
        "-subj", "/CN=server", "-addext", f"subjectAltName=IP:{SERVER}", "-keyout", CERTIFICATE["key"],
        "-out", CERTIFICATE["cert"])


def secure_server(net, **options):
    return server(net, **CERTIFICATE, **options)


def secure_client(net, **options):
    return client(net, f"wss://{SERVER}:{PORT}/", trust=CERTIFICATE["cert"], **options)


def client(net, url=URL, **options):
    return running(net.inside(0, PROGRAMS / "call", "--url", url, *switches(options)))


@contextlib.contextmanager
def any_echo(net):
    """A server of ours that sends back whatever it is."""
    with subprocess.Popen(net.inside(1, ROOT / "target/c/echo_server", "--host", SERVER, "--port", PORT),
                          stdout=subprocess.PIPE, text=True) as process:
        try:
            process.stdout.readline()
            yield
        finally:
            process.kill()


def python_peer(net, end, role):
    """Python's websockets, in the environment that install.sh has made."""
    python = PROGRAMS / "venv" / "bin" / "python"
    return running(net.inside(end, python, pathlib.Path(__file__).with_name("strangers.py"), role, URL))


def has_python_peer():
    return subprocess.run([PROGRAMS / "venv/bin/python", "-c", "import websockets"], capture_output=True).returncode == 0 \
        if (PROGRAMS / "venv").exists() else False


def switches(options):
    return [word for name, value in options.items() for word in ("--" + name, value)]
