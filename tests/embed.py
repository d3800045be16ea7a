#!/usr/bin/env python3
"""Run the programs of examples/embed: does the library live well in each event loop, and the host's own work beside it?"""
import base64
import concurrent.futures
import hashlib
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import unittest

sys.dont_write_bytecode = True
from peer import BINARY, CLOSE, TEXT, Client  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[1]
SOURCES = ROOT / "examples" / "embed"
BUILT = ROOT / "target" / "embed"
SERVERS = ["poll", "epoll", "glib", "libuv", "libevent", "asio"]
NOTHING_NEEDED = {"poll", "epoll", "frame"}  # but libc
TICK_MS = 50
GOODBYE = (1001, "the server is going down")


def needs(name):
    """`make embed` has said what to install when it could not build a program."""
    if name not in NOTHING_NEEDED and not (BUILT / name).exists():
        raise unittest.SkipTest("examples/embed/%s is not built; make embed says why" % name)


class Host:
    """A server while it runs, in whatever loop, with what its own timer says."""

    def __init__(self, name, tick_ms=TICK_MS):
        self.process = subprocess.Popen([BUILT / name, "0", str(tick_ms)], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().removeprefix("listening on ").rstrip()
        self.port = int(self.url.rstrip("/").rsplit(":", 1)[1])
        self.ticks = []
        self.reader = threading.Thread(target=lambda: self.ticks.extend(self.process.stdout))
        self.reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.end()

    def end(self):
        """(exit status, what it complained about)"""
        status = self.process.wait(timeout=15)
        self.reader.join()
        self.process.stdout.close()
        complaints = "" if self.process.stderr.closed else self.process.stderr.read()
        self.process.stderr.close()
        return status, complaints

    def cpu_seconds(self):
        fields = pathlib.Path("/proc/%d/stat" % self.process.pid).read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Crowd(threading.Thread):
    """A server that tells its one client without a pause where others are, and notes what that one says."""

    def __init__(self):
        super().__init__()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "ws://127.0.0.1:%d/" % self.listener.getsockname()[1]
        self.said, self.sent = [], 0
        self.start()

    def run(self):
        sock, _ = self.listener.accept()
        with self.listener, sock, sock.makefile("rb") as stream:
            head = iter(stream.readline, b"\r\n")
            key = next(line.split()[1] for line in head if line.lower().startswith(b"sec-websocket-key:"))
            for _ in head:
                pass
            accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
            sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
            listening = threading.Thread(target=self.listen, args=(stream,))
            listening.start()
            while listening.is_alive():
                place = b"at %d" % (self.sent % 60)
                sock.sendall(b"".join([bytes([0x81, len(place)]) + place] * 100))
                self.sent += 100
            sock.sendall(b"\x88\x02\x03\xe8")

    def listen(self, stream):
        """Until a close frame."""
        while True:
            first, length = stream.read(2)
            mask = stream.read(4)
            if first == 0x88:
                return
            self.said.append(bytes(byte ^ mask[i % 4] for i, byte in enumerate(stream.read(length & 0x7f))))


def echo_for(seconds, client):
    """Messages there and back, as fast as they come, many under way at a time."""
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        burst = ["%d" % (count + i) for i in range(50)]
        for text in burst:
            client.send(TEXT, text)
        for text in burst:
            assert client.receive() == (TEXT, text.encode()), "an echo is missing or wrong"
        count += len(burst)
    return count


class Servers(unittest.TestCase):
    def check(self, name):
        with Host(name) as host, Client(host.port) as one, Client(host.port) as two:
            # More than one turn of the library takes.
            big = os.urandom(3_000_000)
            one.send(BINARY, big)
            self.assertEqual(one.receive(), (BINARY, big))

            # The timer of the host goes on while messages flow.
            before, began = len(host.ticks), time.monotonic()
            with concurrent.futures.ThreadPoolExecutor() as both:
                count = sum(both.map(lambda client: echo_for(0.7, client), [one, two]))
            expected = (time.monotonic() - began) * 1000 / TICK_MS
            ticks = len(host.ticks) - before
            self.assertGreater(ticks, expected / 2)
            self.assertLess(ticks, expected + 3)
            self.assertGreater(count, 100)

            # Nothing to do, nothing done: the descriptor is not readable all the time.
            used = host.cpu_seconds()
            time.sleep(0.4)
            self.assertLess(host.cpu_seconds() - used, 0.1)
            self.assertEqual(host.ticks[-1], "2 here, %d messages\n" % (count + 1))

            # The goodbye: it stays until the last one has answered, its timer too.
            host.process.terminate()
            for client in [one, two]:
                self.assertEqual(client.close_frame(), GOODBYE)
            one.send(CLOSE, b"\x03\xe9")
            before = len(host.ticks)
            time.sleep(0.3)
            self.assertIsNone(host.process.poll(), "it did not wait for the answer")
            self.assertGreater(len(host.ticks), before)
            two.send(CLOSE, b"\x03\xe9")
            self.assertEqual(host.end(), (0, ""))

    def test_a_deadline_of_the_library_wakes_each_host(self):
        """Whoever does not answer the goodbye is dropped in the end. All hosts at once, since that takes five seconds."""
        here = [name for name in SERVERS if name in NOTHING_NEEDED or (BUILT / name).exists()]

        def ends_after(name):
            with Host(name, 60_000) as host, Client(host.port) as silent:
                host.process.terminate()
                self.assertEqual(silent.close_frame(), GOODBYE)
                began = time.monotonic()
                self.assertEqual(host.end(), (0, ""))
                return time.monotonic() - began

        with concurrent.futures.ThreadPoolExecutor(len(here)) as all_at_once:
            for name, seconds in zip(here, all_at_once.map(ends_after, here)):
                with self.subTest(name):
                    self.assertTrue(4 < seconds < 9, seconds)

    def test_what_is_wrong_is_said(self):
        with Host("poll") as host:
            for name in SERVERS:
                if (BUILT / name).exists():
                    done = subprocess.run([BUILT / name, str(host.port)], capture_output=True, text=True, timeout=10)
                    self.assertEqual((done.returncode, done.stdout), (1, ""), name)
                    self.assertIn("in use", done.stderr)

    def test_they_differ_in_the_host_only(self):
        """So that two of them can be compared: the part about WebSockets is the same text."""
        parts = {re.search(r"\nstatic wsock_loop.*?(?=\n/\* ---- the host)", (SOURCES / (name + ".c")).read_text(), re.S)[0]
                 for name in SERVERS if name != "asio"}
        self.assertEqual(len(parts), 1)


def add_test(name):
    def test(self):
        needs(name)
        self.check(name)
    setattr(Servers, "test_" + name, test)


for each in SERVERS:
    add_test(each)


class Clients(unittest.TestCase):
    def test_frame(self):
        """Frames come at their pace, however much arrives."""
        crowd = Crowd()
        began = time.monotonic()
        done = subprocess.run([BUILT / "frame", crowd.url, "2"], capture_output=True, timeout=20)
        took = time.monotonic() - began
        crowd.join()
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        drawn, *rest = done.stdout.split(b"\n")
        self.assertEqual(rest, [b"closed with 1000", b""])
        frames = drawn.split(b"\r")[1:]
        self.assertEqual({len(frame) for frame in frames}, {60})
        # Two seconds, and as many more as the good-bye takes, which stands behind all that the server has sent.
        self.assertGreaterEqual(len(frames), 120)
        self.assertTrue(50 < len(frames) / took < 70, (len(frames), took))
        self.assertTrue(1.9 < took < 3, took)
        self.assertGreater(crowd.sent, 10_000)
        self.assertGreater(len({frame.find(b"x") for frame in frames}), 1, "where others are is not drawn")
        places = [b"at %d" % frame.find(b"o") for frame in frames[5:120:6]]
        self.assertGreater(len(crowd.said), 15)  # there are some frames before it is open
        self.assertEqual(crowd.said, places[-len(crowd.said):])

    def test_frame_that_cannot_connect(self):
        done = subprocess.run([BUILT / "frame", "ws://127.0.0.1:1/", "1"], capture_output=True, text=True, timeout=20)
        self.assertEqual(done.returncode, 1)
        self.assertIn("refused", done.stderr)

    def test_gtk(self):
        needs("gtk")
        if not shutil.which("xvfb-run") or not shutil.which("xauth"):
            raise unittest.SkipTest("a window wants a display: apt-get install xvfb xauth")
        with Host("poll") as host:
            done = subprocess.run(["xvfb-run", "-a", BUILT / "gtk", host.url, "Grüße aus dem Fenster"], capture_output=True,
                                  text=True, timeout=60, env={**os.environ, "NO_AT_BRIDGE": "1", "GDK_BACKEND": "x11"})
            self.assertEqual((done.returncode, done.stdout), (0, "Grüße aus dem Fenster\nclosed with 1000\n"), done.stderr)
            time.sleep(2 * TICK_MS / 1000)
            self.assertEqual(host.ticks[-1], "0 here, 1 messages\n")


class Document(unittest.TestCase):
    def test_cores_are_those_of_the_programs(self):
        """The lines that docs/embedding.md shows for a loop are lines of the program it names below the heading."""
        text = (ROOT / "docs" / "embedding.md").read_text()
        shown = re.findall(r"^### .*?\(\.\./examples/embed/([\w.]+)\).*?^```\w+\n(.*?)^```", text, re.M | re.S)
        self.assertEqual({name for name, _ in shown}, {path.name for path in SOURCES.iterdir()})
        for name, core in shown:
            lines = {line.strip() for line in (SOURCES / name).read_text().splitlines()}
            for line in core.splitlines():
                with self.subTest(name):
                    self.assertIn(line.strip(), lines)


if __name__ == "__main__":
    unittest.main()
