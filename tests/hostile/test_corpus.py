"""Every case of the corpora, sent to the echo server: what comes back is exactly what has to."""
import socket
import unittest

import bystander
import frames
import handshakes
import judge
import target
import wire


def exchange(server, sent):
    """A reader of what comes back."""
    sock = socket.create_connection(("127.0.0.1", server.port), timeout=target.PATIENCE)
    try:
        sock.sendall(sent)
    except ConnectionError:
        pass  # it has heard enough; the answer may still be there to read
    return sock, wire.Reader(sock)


def end_of(reader):
    """How the stream goes on: only by its end."""
    try:
        reader.take(1)
    except wire.Ended:
        return
    raise AssertionError("more than was expected: %r" % reader.buffer[:100])


class Corpus(unittest.TestCase):
    """All cases go to one server, beside a client that behaves."""
    switches = ()

    def setUp(self):
        self.server = self.enterContext(target.Server(*self.switches))
        self.server.forget_peak()
        self.before = self.server.memory()
        self.enterContext(bystander.Bystander(self.server))

    def tearDown(self):
        target.until("descriptors return", lambda: self.server.fds() == self.server.fds_at_first + 1)
        judge.check_memory(self.server, self.before, judge.LOOP)


class Handshakes(Corpus):
    def test_each_has_the_status_that_it_has_to_have(self):
        for name, sent, expected in handshakes.CASES:
            sock, reader = exchange(self.server, sent)
            with self.subTest(name), sock:
                status, head = reader.head()
                self.assertEqual(status, expected, head)
                if status != 101:
                    self.assertRegex(head, r"\r\nConnection: (Upgrade, )?close(\r|$)")
                    continue
                sock.sendall(wire.frame(wire.TEXT, b"hello"))
                self.assertEqual(reader.frame(), (0x80 | wire.TEXT, b"hello"))
                bystander.say_goodbye(sock, reader)


class Frames(Corpus):
    switches = ["--max-message", frames.MAX_MESSAGE]
    request, cases = wire.request(), frames.CASES

    def judge_case(self, sent, back, code, pieces):
        sock, reader = exchange(self.server, self.request)
        with sock:
            self.assertEqual(reader.head()[0], 101)
            try:
                for at in range(0, len(sent), pieces):
                    sock.sendall(sent[at:at + pieces])
            except ConnectionError:
                pass  # it has heard enough
            found = []
            while not found or found[-1][0] != 0x80 | wire.CLOSE:
                found.append(reader.frame())
            last = found.pop()[1]
            if back is not None:
                self.assertEqual(found, [(0x80 | opcode, payload) for opcode, payload in back])
            self.assertEqual(int.from_bytes(last[:2], "big") if last else None, code, last[2:])
            sock.shutdown(socket.SHUT_WR)
            end_of(reader)

    def test_each_in_one_piece(self):
        for name, sent, back, code in self.cases:
            with self.subTest(name):
                self.judge_case(sent, back, code, max(len(sent), 1))

    def test_the_short_ones_byte_by_byte(self):
        for name, sent, back, code in self.cases:
            if len(sent) <= 200:
                with self.subTest(name):
                    self.judge_case(sent, back, code, 1)


class CompressedFrames(Frames):
    switches = [*Frames.switches, "--deflate"]
    request, cases = wire.request(wire.DEFLATE), frames.COMPRESSED
