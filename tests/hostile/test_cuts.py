"""Connections that break off at each byte, towards the server and towards a client: nobody is left over, and both live on."""
import tempfile
import unittest

import answers
import bystander
import certs
import cuts
import hostile_server
import judge
import target


class TowardsTheServer(unittest.TestCase):
    """After all of them, the server has no connection left but that of the one who behaves."""

    def cut(self, function, *args, ca=None, switches=()):
        with target.Server(*switches) as server:
            server.forget_peak()
            before = server.memory()
            with bystander.Bystander(server, ca):
                self.assertGreater(function(server, *args), 10)
                target.until("descriptors return", lambda: server.fds() == server.fds_at_first + 1)
            bystander.greet(server, ca)
            judge.check_memory(server, before, judge.LOOP)
            self.assertEqual(server.end(), 0)

    def test_reset_at_each_byte(self):
        self.cut(cuts.every_byte, cuts.reset)

    def test_end_at_each_byte(self):
        self.cut(cuts.every_byte, cuts.end)

    def test_both_at_each_byte_of_tls(self):
        if not certs.available():
            self.skipTest("openssl is not here, which makes the certificates: apt-get install openssl")
        with tempfile.TemporaryDirectory() as name:
            folder = certs.make(name)
            ca, tls = str(folder / "ca.pem"), ["--cert", folder / "server.pem", "--key", folder / "server.key"]
            for ending in (cuts.reset, cuts.end):
                self.cut(cuts.every_byte_of_tls, ca, ending, ca=ca, switches=tls)


class TowardsTheClient(unittest.TestCase):
    """A visit ends once, with what has happened."""

    def judge_visits(self, ending, losses):
        treat, length = hostile_server.cutting(ending)
        head = len(answers.answer()) - len("ACCEPT") + 28
        for number, (opened, messages, status, code, sent, clean) in enumerate(hostile_server.visits(treat, length + 1)):
            with self.subTest(byte=number):
                if number == length:
                    self.assertIn((opened, messages, status, code, clean), [(1, 1, "OK", 1000, 1), *losses])
                    continue
                self.assertEqual((code, clean), (1006, 0))
                self.assertIn(status, ("CONNECTION_LOST", "HANDSHAKE"))
                if number < head:
                    self.assertEqual((opened, messages), (0, 0))

    def test_end_at_each_byte(self):
        self.judge_visits(cuts.end, [])

    def test_reset_at_each_byte(self):
        # A reset may overtake what was said before it.
        lost = [(opened, messages, "CONNECTION_LOST", 1006, 0) for opened in (0, 1) for messages in (0, 1)]
        self.judge_visits(cuts.reset, [*lost, (1, 1, "CONNECTION_LOST", 1000, 0)])
