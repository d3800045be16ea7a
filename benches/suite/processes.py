"""Servers and clients while they run: started, pinned, found ready, stopped."""
import os
import resource
import shlex
import signal
import socket
import subprocess
import time

from .sides import BENCH, ROOT

PATIENCE = 20


class Failure(Exception):
    """A side cannot do what it was asked for; the text says why."""


def all_descriptors():
    """Raises the number of descriptors, also of processes to be started, as far as may be; returns it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if hard != resource.RLIM_INFINITY else 1 << 30


def cores():
    """The cores for servers and for the load generator."""
    some = sorted(os.sched_getaffinity(0))
    return some[0], some[min(1, len(some) - 1)]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A program on some cores. What it prints goes to target/bench/log/NAME."""

    def __init__(self, name, command, on=None):
        (BENCH / "log").mkdir(parents=True, exist_ok=True)
        self.log = BENCH / "log" / name
        try:
            with self.log.open("wb") as log:
                self.process = subprocess.Popen(shlex.split(command), stdin=subprocess.DEVNULL, stdout=log,
                                                stderr=subprocess.STDOUT, cwd=ROOT, start_new_session=True,
                                                preexec_fn=on and (lambda: os.sched_setaffinity(0, on)))
        except OSError as error:
            raise Failure(f"cannot be started: {error}") from error
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def last_line(self):
        lines = self.log.read_text(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")

    def must_run(self):
        status = self.process.poll()
        if status is not None:
            raise Failure(f"ended with status {status}: {self.last_line()}")

    def wait_for_end(self, seconds):
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise Failure(f"does not end: {self.last_line()}") from error
        if status != 0:
            raise Failure(f"ended with status {status}: {self.last_line()}")

    def stop(self):
        """The program and what it may have started itself."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


class Server(Process):
    """A program that listens; {port} of its command is a free one."""

    def __init__(self, name, command_at, on=None):
        self.port = free_port()
        super().__init__(name, command_at(self.port), on)
        try:
            self.wait()
        except Failure:
            self.stop()
            raise

    def wait(self):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self.must_run()
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise Failure(f"does not listen after {PATIENCE} s: {self.last_line()}")
