"""Slow peers: each phase has a limit, and the one it runs into says so. All of them are slow at the same time."""
import contextlib
import socket
import tempfile
import threading
import time
import unittest

import bystander
import certs
import judge
import slow
import target
import wire


class Peer(threading.Thread):
    """Says its part until the server has had enough, and keeps what came back."""

    def __init__(self, server, part):
        super().__init__()
        self.part, self.server, self.got, self.complaint = part, server, b"", None
        self.start()

    def run(self):
        try:
            with socket.create_connection(("127.0.0.1", self.server.port)) as sock:
                self.speak(sock)
                self.listen(sock)
        except Exception as e:
            self.complaint = e

    def speak(self, sock):
        part, talker = self.part, None
        sock.settimeout(target.PATIENCE)
        if part.at_once:
            # Who does not read cannot say all of it either.
            talker = threading.Thread(target=self.say, args=(sock, part.at_once))
            talker.start()
        if part.reads and talker:
            talker.join()
        sock.setblocking(False)
        for at in range(0, len(part.drip), part.piece):
            if not self.say(sock, part.drip[at:at + part.piece]):
                break
            time.sleep(slow.PAUSE)
            with contextlib.suppress(BlockingIOError):
                chunk = sock.recv(1 << 16)
                self.got += chunk
                if not chunk:
                    break
        if talker:
            talker.join()
        sock.settimeout(target.PATIENCE)

    @staticmethod
    def say(sock, said):
        try:
            sock.sendall(said)
            return True
        except OSError:
            return False

    def listen(self, sock):
        if not self.part.reads:
            target.until("%s: it is thrown out" % self.part.name, lambda: self.server.is_left_by(sock))
        with contextlib.suppress(ConnectionError):
            while chunk := sock.recv(1 << 16):
                self.got += chunk

    def judge(self):
        """What came back is what had to."""
        self.join()
        if self.complaint:
            raise AssertionError("it was not thrown out: %r" % self.complaint)
        expects = self.part.expects
        if expects == "anything":
            return
        if isinstance(expects, int):
            assert self.got.startswith(b"HTTP/1.1 %d " % expects), self.got
        elif expects == "end":
            assert self.got == b"", self.got
        else:
            head, _, frames = self.got.partition(b"\r\n\r\n")
            while frames and frames[0] != 0x80 | wire.CLOSE:
                frames = frames[2 + frames[1]:]
            code = int.from_bytes(frames[2:4], "big")
            assert head.startswith(b"HTTP/1.1 101") and code == expects[1], self.got


class SlowPeers(unittest.TestCase):
    def test_each_phase_has_its_limit(self):
        with contextlib.ExitStack() as stack:
            if not certs.available():
                self.skipTest("openssl is not here, which makes the certificates: apt-get install openssl")
            folder = certs.make(stack.enter_context(tempfile.TemporaryDirectory()))
            ca = str(folder / "ca.pem")
            tls = ["--cert", folder / "server.pem", "--key", folder / "server.key"]
            places = [([], slow.REQUESTS, {}), (tls, slow.TLS, {"ca": ca}),
                      (["--proxy-protocol", "127.0.0.1"], slow.PROXY, {"before": slow.PROXY_V1}),
                      (["--idle-timeout", slow.IDLE_SECONDS], slow.IDLE, {})]
            servers, peers = [], []
            for switches, parts, manners in places:
                server = stack.enter_context(target.Server(*switches))
                server.forget_peak()
                servers.append((server, server.memory(), len(parts)))
                stack.enter_context(bystander.Bystander(server, **manners))
                peers += [Peer(server, part) for part in parts]
            for peer in peers:
                with self.subTest(peer.part.name):
                    peer.judge()
            for server, before, count in servers:
                target.until("descriptors return", lambda: server.fds() == server.fds_at_first + 1)
                each = judge.each(slow.LARGEST, slow.LARGEST, tls=True, open=True)
                judge.check_memory(server, before, judge.LOOP + count * each)
