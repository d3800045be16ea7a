"""Hostile servers: what they answer is judged by a client of ours, and its limits hold."""
import unittest

import answers
import cuts
import hostile_server
import wire

SHORT = {"handshake_ms": 500, "close_ms": 500}


class Answers(unittest.TestCase):
    def test_each_is_refused_for_what_it_is(self):
        scripts = [script for _, script, _ in answers.REFUSED]
        found = hostile_server.visits(hostile_server.answering(scripts), len(scripts))
        for (name, _, expected), (opened, messages, status, code, _, clean) in zip(answers.REFUSED, found):
            with self.subTest(name):
                self.assertEqual((opened, messages, status, code, clean), (0, 0, expected, 1006, 0))

    def test_each_frame_is_answered_as_it_has_to_be(self):
        scripts = [answers.OPENS + sent for _, sent, *_ in answers.FRAMES]
        # Who was told goodbye waits for the server to close TCP, which this one does not.
        found = hostile_server.visits(hostile_server.answering(scripts), len(scripts), close_ms=500)
        for (name, _, *expected), (opened, messages, status, code, sent, _) in zip(answers.FRAMES, found):
            with self.subTest(name):
                self.assertEqual((opened, messages, [status, code, sent]), (1, 0, expected))


class SlowServers(unittest.TestCase):
    """Time limits of a client. How long it takes is not looked at: only that, and why, it ends."""

    def judge_one(self, treat, *expected):
        for found in hostile_server.visits(treat, 2, **SHORT):
            self.assertEqual(found, expected)

    def test_says_nothing(self):
        self.judge_one(lambda sock, _: cuts.drain(sock), 0, 0, "HANDSHAKE_TIMEOUT", 1006, 0, 0)

    def test_answers_without_end(self):
        def treat(sock, _):
            hostile_server.read_request(sock)
            sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\n")
            cuts.drain(sock)
        self.judge_one(treat, 0, 0, "HANDSHAKE_TIMEOUT", 1006, 0, 0)

    def test_does_not_answer_the_close(self):
        def treat(sock, _):
            accept = hostile_server.read_request(sock)
            sock.sendall(answers.answer().replace(b"ACCEPT", accept) + wire.frame(wire.TEXT, b"a", mask=None))
            cuts.drain(sock)
        self.judge_one(treat, 1, 1, "CLOSE_TIMEOUT", 1006, 1000, 0)
