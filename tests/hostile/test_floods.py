"""Each attack of `sieges.py` for a moment: clients that behave are served, memory stays below its bound, nobody is left over."""
import pathlib
import tempfile
import unittest

import bystander
import certs
import judge
import sieges
import target

SECONDS = 0.2


class Floods(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        if certs.available():
            certs.make(self.folder / "certs")

    def judge_one(self, siege):
        ca = str(self.folder / "certs" / "ca.pem") if siege.tls else None
        tls = ["--cert", self.folder / "certs" / "server.pem", "--key", self.folder / "certs" / "server.key"]
        with target.Server(*siege.server, *(tls if siege.tls else [])) as server:
            server.forget_peak()
            before = server.memory()
            with bystander.Bystander(server, ca):
                came, _ = siege.lay(server.port, SECONDS, self.folder).communicate()
                self.assertNotIn('"connected":0,', came)
                target.until("descriptors return", lambda: server.fds() == server.fds_at_first + 1)
            bystander.greet(server, ca)
            judge.check_memory(server, before, siege.bound())
            self.assertEqual(server.end(), 0)

    def test_each(self):
        for siege in sieges.sieges():
            with self.subTest(siege.name):
                if siege.tls and not certs.available():
                    self.skipTest("openssl is not here, which makes the certificates: apt-get install openssl")
                self.judge_one(siege)
