#!/usr/bin/env python3
"""Run the example programs as their users do, and look at what they print, send and return."""
import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.dont_write_bytecode = True
import certs  # noqa: E402
from peer import BINARY, CLOSE, TEXT, Client, request  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[1]
C = ROOT / "target" / "c"
PY = ROOT / "examples" / "python"
PYTHON = [sys.executable, "-B"]


def command(name):
    return [*PYTHON, PY / name] if name.endswith(".py") else [C / name]


def run(name, *args, stdin=""):
    """(exit status, standard output, standard error)"""
    done = subprocess.run([*command(name), *args], input=stdin, capture_output=True, text=True, timeout=30)
    return done.returncode, done.stdout, done.stderr


class Server:
    """A server example while it runs; must end with status 0 on SIGTERM."""

    def __init__(self, name, *args):
        self.process = subprocess.Popen([*command(name), *args], stdout=subprocess.PIPE, text=True)
        self.first_line = self.process.stdout.readline().rstrip("\n")
        self.url = self.first_line.split()[-1].replace("http:", "ws:")
        port = self.url.rstrip("/").rsplit(":", 1)[1]
        self.port = int(port) if port.isdigit() else None  # none on a Unix domain socket

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        status = self.process.wait(timeout=15)
        self.process.stdout.close()
        assert status == 0, "exit status %s after SIGTERM" % status


class OneAnswer(threading.Thread):
    """A server that keeps one request and answers it with fixed bytes."""

    def __init__(self, answer):
        super().__init__()
        self.answer, self.request = answer, ""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "ws://127.0.0.1:%d/" % self.listener.getsockname()[1]
        self.start()

    def run(self):
        sock, _ = self.listener.accept()
        with sock, self.listener:
            data = b""
            while b"\r\n\r\n" not in data:
                data += sock.recv(4096)
            self.request = data.decode()
            sock.sendall(self.answer)


class Echo(unittest.TestCase):
    SERVERS = ["echo_server", "echo_server.py"]

    def test_clients(self):
        for server in self.SERVERS:
            with Server(server) as echo:
                self.assertRegex(echo.first_line, r"^listening on ws://127\.0\.0\.1:\d+/$")
                for client in ["echo_client", "echo_client.py"]:
                    with self.subTest(server=server, client=client):
                        self.assertEqual(run(client, echo.url, "Grüße"), (0, "Grüße\n", ""))

    def test_echo_keeps_type_and_bytes(self):
        big = os.urandom(3_000_000)  # more than the high-water mark
        for server in self.SERVERS:
            with self.subTest(server=server), Server(server) as echo, Client(echo.port) as client:
                for opcode, payload in [(TEXT, b"text"), (BINARY, b"\0\xff"), (TEXT, b""), (BINARY, big)]:
                    client.send(opcode, payload)
                    self.assertEqual(client.receive(), (opcode, payload))

    def test_slow_reader_is_paused_and_loses_nothing(self):
        chunk, count = bytes(64 * 1024), 1000
        with Server("echo_server") as echo, Client(echo.port) as client:
            sent = []
            sender = threading.Thread(target=lambda: [sent.append(client.send(BINARY, chunk)) for _ in range(count)])
            client.sock.settimeout(60)
            sender.start()
            before = -1
            while len(sent) != before:  # until the server reads no more
                before = len(sent)
                time.sleep(0.5)
            with open("/proc/%d/status" % echo.process.pid) as status:
                resident = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
            self.assertLess(before, count, "62 MB went into a server whose answers nobody read")
            self.assertLess(resident, 20 * 1024, "KiB")
            for _ in range(count):
                self.assertEqual(client.receive(), (BINARY, chunk))
            sender.join()

    def test_sigterm_says_1001(self):
        for server in self.SERVERS:
            with self.subTest(server=server), Server(server) as echo, Client(echo.port) as client:
                client.send(TEXT, "x")
                client.receive()
                echo.process.send_signal(signal.SIGTERM)
                self.assertEqual(client.close_frame(), (1001, "going away"))
                client.send(CLOSE, b"\x03\xe9")
                self.assertEqual(echo.process.wait(timeout=10), 0)

    def test_sigint_and_a_peer_that_does_not_answer(self):
        with Server("echo_server") as echo, Client(echo.port):
            echo.process.send_signal(signal.SIGINT)
            self.assertEqual(echo.process.wait(timeout=15), 0)

    def test_options(self):
        with Server("echo_server", "--max-message", "100") as echo:
            with Client(echo.port) as client:
                client.send(TEXT, "x" * 100)
                self.assertEqual(client.receive(), (TEXT, b"x" * 100))
                client.send(TEXT, "x" * 101)
                self.assertEqual(client.close_frame()[0], 1009)
        with Server("echo_server", "--idle-timeout", "1") as echo, Client(echo.port) as client:
            began = time.monotonic()
            self.assertEqual(client.close_frame(), (1001, "idle timeout"))
            self.assertGreater(time.monotonic() - began, 0.9)
        for deflate, offered in [(["--deflate"], True), ([], False)]:
            with Server("echo_server", *deflate) as echo:
                status, out, err = run("wscat", "-z", "-x", "compress me " * 20, echo.url)
                self.assertEqual((status, out), (0, "compress me " * 20 + "\n"))
                self.assertEqual("permessage-deflate" in err, offered, err)

    def test_metrics_and_log(self):
        with Server("echo_server") as echo:
            self.assertEqual(request(echo.port, "/metrics")[0], 426)
        server = subprocess.Popen([C / "echo_server", "--metrics", "--log", "3"], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
        port = int(server.stdout.readline().rstrip("/\n").rsplit(":", 1)[1])
        with Client(port) as client:
            client.send(TEXT, "x")
            client.receive()
            status, headers, body = request(port, "/metrics")
            self.assertEqual((status, headers["content-type"]), (200, "text/plain; version=0.0.4"))
            self.assertIn('\nwsock_messages_total{loop="0",direction="received"} 1\n', body.decode())
            self.assertEqual(request(port, "/")[0], 426)
        server.terminate()
        _, told = server.communicate(timeout=15)
        self.assertEqual(server.returncode, 0)
        self.assertRegex(told, r"INFO  server: server 0x[0-9a-f]+: listens on port %d\n" % port)
        self.assertRegex(told, r"INFO  handshake: connection 0x[0-9a-f]+ from 127.0.0.1:\d+: open, ws://")

    @unittest.skipUnless(pathlib.Path("/proc/net/if_inet6").exists(), "this machine has no IPv6")
    def test_ipv6(self):
        with Server("echo_server", "--host", "::1") as echo:
            self.assertRegex(echo.first_line, r"^listening on ws://\[::1\]:\d+/$")
            self.assertEqual(run("echo_client", echo.url)[:2], (0, "hello\n"))

    def test_wrong_usage(self):
        for args in [["--port"], ["--port", "65536"], ["--port", "x"], ["--port", "-1"], ["--max-message", "1k"], ["nonsense"]]:
            with self.subTest(args=args):
                status, out, err = run("echo_server", *args)
                self.assertEqual((status, out), (2, ""))
                self.assertIn("usage:", err)
        with Server("echo_server") as echo:
            for server in self.SERVERS:
                status, out, err = run(server, "--port", str(echo.port))
                self.assertEqual((status, out), (1, ""))
                self.assertIn("in use", err)

    def test_usage_errors_name_the_switch(self):
        for args, told in [(["--port", "x"], "--port wants"), (["--cert", "a"], "--cert wants --key"),
                           (["--key", "a"], "--key wants --cert"), (["--client-ca", "a"], "--client-ca wants"),
                           (["--unix"], "'--unix'"), (["--colour"], "'--colour'")]:
            with self.subTest(args=args):
                status, _, err = run("echo_server", *args)
                self.assertEqual(status, 2)
                self.assertIn(told, err)
        status, _, err = run("echo_server", "--proxy-protocol", "10.0.0.0/33")
        self.assertEqual(status, 1)
        self.assertIn("--proxy-protocol: ", err)
        self.assertIn("--proxy-protocol", run("echo_server", "--help")[1])

    def test_unix_socket(self):
        with tempfile.TemporaryDirectory() as place:
            path = place + "/echo.sock"
            with Server("echo_server", "--unix", path) as echo:
                self.assertEqual(echo.first_line, "listening on ws+unix:%s:/" % path)
                self.assertEqual(run("wscat", "-x", "hello", echo.url)[:2], (0, "hello\n"))
                self.assertEqual(run("wscat", "-x", "hello", "--unix", path, "ws://localhost/a?b")[:2], (0, "hello\n"))

    def test_proxy_protocol(self):
        server = subprocess.Popen([C / "echo_server", "--verbose", "--proxy-protocol", "127.0.0.1"], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
        self.addCleanup(server.stderr.close)
        self.addCleanup(server.stdout.close)
        port = int(server.stdout.readline().rstrip("/\n").rsplit(":", 1)[1])
        with Client(port, before=b"PROXY TCP4 203.0.113.7 127.0.0.1 4711 80\r\n"):
            self.assertEqual(server.stderr.readline(), "open 203.0.113.7:4711\n")
        server.terminate()
        self.assertEqual(server.wait(timeout=15), 0)

    def test_client_that_cannot_connect(self):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            url = "ws://127.0.0.1:%d/" % closed.getsockname()[1]
            for client in ["echo_client", "echo_client.py"]:
                with self.subTest(client=client):
                    status, _, err = run(client, url)
                    self.assertEqual(status, 1)
                    self.assertIn("refused", err.lower())


class Wscat(unittest.TestCase):
    def test_lines_in_messages_out(self):
        with Server("echo_server") as echo:
            status, out, err = run("wscat", echo.url, stdin="one\n\nthree\nno end")
            self.assertEqual((status, out), (0, "one\n\nthree\nno end\n"))
            self.assertIn("connected to " + echo.url, err)
            self.assertIn("closed with 1000", err)
            long = "x" * 100_000
            self.assertEqual(run("wscat", "-q", echo.url, stdin=long + "\n"), (0, long + "\n", ""))

    def test_binary(self):
        with Server("echo_server") as echo:
            done = subprocess.run([C / "wscat", "-b", "-q", echo.url], input=b"\xff\x01\n", capture_output=True, timeout=30)
            self.assertEqual((done.returncode, done.stdout), (0, b"\xff\x01\n"))
            done = subprocess.run([C / "wscat", "-q", echo.url], input=b"\xff\x01\n", capture_output=True, timeout=30)
            self.assertIn(b"not sent", done.stderr)

    def test_request(self):
        server = OneAnswer(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nnot today")
        status, out, err = run("wscat", "-H", "X-One: 1", "-H", "Cookie: a=b", "-s", "first", "-s", "second",
                               "-o", "http://example.org", server.url)
        server.join()
        self.assertEqual((status, out), (1, ""))
        self.assertIn("403", err)
        self.assertIn("not today", err)
        for line in ["X-One: 1", "Cookie: a=b", "Sec-WebSocket-Protocol: first, second", "Origin: http://example.org"]:
            self.assertIn("\r\n%s\r\n" % line, server.request)
        self.assertNotIn("permessage-deflate", server.request)

    def test_close_code(self):
        with Server("echo_server") as echo:
            status, _, err = run("wscat", "-c", "3456:thanks", echo.url)
            self.assertEqual(status, 0)
            self.assertIn("closed with 3456", err)

    def test_ping(self):
        with Server("echo_server") as echo:
            wscat = subprocess.Popen([C / "wscat", "-P", "0.05", echo.url], stdin=subprocess.PIPE, stderr=subprocess.PIPE,
                                     text=True)
            watchdog = threading.Timer(10, wscat.kill)
            watchdog.start()
            lines = [wscat.stderr.readline() for _ in range(4)]
            watchdog.cancel()
            self.assertRegex(lines[3], r"^pong after \d+\.\d{3} ms\n$")
            wscat.send_signal(signal.SIGINT)  # says goodbye too
            self.assertIn("closed with 1000", wscat.communicate(timeout=10)[1])
            self.assertEqual(wscat.returncode, 0)

    def test_wrong_usage(self):
        for args in [[], ["-Z", "ws://x/"], ["ws://a/", "ws://b/"]]:
            self.assertEqual(run("wscat", *args)[0], 2)
        for args in [["-c", "1005"], ["-c", "x"], ["-P", "0"], ["-H", "no colon"], ["-H", "A: b\r\nC: d"], ["-s", "no token"]]:
            with self.subTest(args=args):
                status, out, err = run("wscat", *args, "ws://127.0.0.1:1/")
                self.assertEqual((status, out), (1, ""))
                self.assertNotEqual(err, "")
        status, _, err = run("wscat", "wss://127.0.0.1:1/")
        self.assertEqual(status, 1)
        self.assertIn("cannot connect", err)


    def test_usage_errors_name_the_switch(self):
        for args in [["--header", "no colon"], ["--cookie", "x"], ["--cookie", "a b=c"], ["--user", "anna"],
                     ["--proxy", "ftp://x"], ["--cacert", "/nowhere"], ["--cert", "/nowhere"], ["--key", "/nowhere"],
                     ["--pin", "x"], ["--ping", "0"], ["--close", "1005"], ["--origin", "a\r\nb"]]:
            with self.subTest(args=args):
                status, out, err = run("wscat", *args, "ws://127.0.0.1:1/")
                self.assertEqual((status, out), (1, ""))
                self.assertTrue(err.startswith("wscat: %s" % args[0]), err)
        self.assertIn("--colour", run("wscat", "--colour", "ws://127.0.0.1:1/")[2])

    def test_cookies_user_and_redirect(self):
        with Server("echo_server") as echo:
            there = OneAnswer(b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % echo.url.encode())
            status, out, err = run("wscat", "--location", "--cookie", "a=1", "--cookie", "b=2", "-x", "hello", there.url)
            there.join()
            self.assertEqual((status, out), (0, "hello\n"))
            self.assertIn("connected to " + echo.url, err)
            self.assertIn("\r\nCookie: a=1; b=2\r\n", there.request)
        there = OneAnswer(b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nContent-Length: 0\r\n\r\n")
        self.assertIn("Bearer", run("wscat", "--user", "anna:secret", there.url)[2])
        there.join()

    def test_proxy(self):
        proxy = OneAnswer(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        status, _, err = run("wscat", "--proxy", proxy.url.replace("ws:", "http:"), "ws://echo.example/")
        proxy.join()
        self.assertEqual(status, 1)
        self.assertIn("proxy refused to connect with 403", err)
        self.assertTrue(proxy.request.startswith("CONNECT echo.example:80 HTTP/1.1\r\n"), proxy.request)

    def test_reconnect(self):
        with Server("echo_server") as echo:
            wscat = subprocess.Popen([C / "wscat", "--reconnect", echo.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE, text=True)
            self.addCleanup(wscat.kill)
            self.assertIn("connected to", wscat.stderr.readline())
        self.assertRegex(wscat.stderr.readline(), r"attempt 1 in \d+\.\d s\n$")
        with Server("echo_server", "--port", str(echo.port)):
            while "connected to" not in (line := wscat.stderr.readline()):
                self.assertIn("attempt", line)
            out, err = wscat.communicate("hello\n", timeout=10)
            self.assertEqual((wscat.returncode, out), (0, "hello\n"))
            self.assertIn("closed with 1000", err)


@unittest.skipUnless(certs.available(), "there is no openssl to make certificates with: apt-get install openssl")
class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.certs = certs.make(ROOT / "target" / "example-certs")

    def pair(self, name):
        return "--cert", self.certs / (name + ".pem"), "--key", self.certs / (name + ".key")

    def test_server_and_client(self):
        authority = "--cacert", self.certs / "ca.pem"
        with Server("echo_server", *self.pair("chained")) as echo:
            self.assertRegex(echo.first_line, r"^listening on wss://127\.0\.0\.1:\d+/$")
            status, out, err = run("wscat", "-v", *authority, "-x", "hello", echo.url)
            self.assertEqual((status, out), (0, "hello\n"))
            self.assertIn("TLSv1.3", err)
            self.assertIn("wsock test chained", err)
            for args, told in [([], "unknown issuer"), ([*authority, "--pin", certs.pin(self.certs, "rsa")], "pin")]:
                status, out, err = run("wscat", *args, "-x", "hello", echo.url)
                self.assertEqual((status, out), (1, ""))
                self.assertIn(told, err)
            self.assertEqual(run("wscat", *authority, "--pin", certs.pin(self.certs, "chained"), "-x", "hello", echo.url)[0], 0)
            self.assertEqual(run("wscat", "--insecure", "-x", "hello", echo.url)[:2], (0, "hello\n"))

    def test_client_certificate(self):
        authority = "--cacert", self.certs / "ca.pem"
        with Server("echo_server", *self.pair("server"), "--client-ca", self.certs / "client_ca.pem") as echo:
            self.assertEqual(run("wscat", *authority, *self.pair("client"), "-x", "hello", echo.url)[:2], (0, "hello\n"))
            both = self.certs / "client.both.pem"
            self.assertEqual(run("wscat", *authority, "--cert", both, "-x", "hello", echo.url)[:2], (0, "hello\n"))
            status, _, err = run("wscat", *authority, "-x", "hello", echo.url)
            self.assertEqual(status, 1)
            self.assertIn("wants a client certificate", err)

    def test_files_that_are_none(self):
        for args in [("--cert", "/nowhere", "--key", "/nowhere"), ("--cert", self.certs / "ca.cnf", "--key", self.certs / "ca.cnf"),
                     ("--cert", self.certs / "server.pem", "--key", self.certs / "rsa.key")]:
            with self.subTest(args=args):
                status, out, err = run("echo_server", *args)
                self.assertEqual((status, out), (1, ""))
                self.assertRegex(err, r"^echo_server: .*(/nowhere|ca\.cnf|key)")


class Chat(unittest.TestCase):
    def setUp(self):
        self.contexts = contextlib.ExitStack()
        self.addCleanup(self.contexts.close)
        self.enter = self.contexts.enter_context
        self.chat = self.enter(Server("chat_server", "--port", "0"))

    def join(self, name=None):
        """A client that speaks chat.json, introduced."""
        client = self.enter(Client(self.chat.port, ["Sec-WebSocket-Protocol: chat.json"]))
        self.assertIn(b"Sec-WebSocket-Protocol: chat.json", client.head)
        guest = self.wait_for(client, "hello")["name"]
        client.send(TEXT, "/name " + (name or guest))
        return client

    def wait_for(self, client, kind, **fields):
        while True:
            opcode, payload = client.receive()
            self.assertEqual(opcode, TEXT)
            event = json.loads(payload)
            if event["type"] == kind and all(event[key] == value for key, value in fields.items()):
                return event

    def test_page(self):
        status, headers, body = request(self.chat.port)
        self.assertEqual((status, body), (200, (ROOT / "examples/c/chat.html").read_bytes()))
        self.assertEqual(headers["content-type"], "text/html; charset=utf-8")
        self.assertIn("default-src 'none'", headers["content-security-policy"])
        status, headers, nothing = request(self.chat.port, method="HEAD")
        self.assertEqual((status, headers["content-length"], nothing), (200, str(len(body)), b""))
        self.assertEqual(request(self.chat.port, "/healthz")[::2], (200, b"ok\n"))
        self.assertEqual(request(self.chat.port, "/favicon.ico")[0], 404)
        status, headers, _ = request(self.chat.port, method="POST", headers=["Content-Length: 0"])
        self.assertEqual((status, headers["allow"]), (405, "GET, HEAD"))

    def test_who_is_there_and_what_is_said(self):
        ann = self.join("Ann")
        bob = self.join("Bob")
        self.wait_for(ann, "notice", text="Bob is here")
        self.wait_for(ann, "people", names=["Bob", "Ann"])
        ann.send(TEXT, "Hi \"Bob\" \\ <b>ä</b>\x07\n!")
        for client in [ann, bob]:
            heard = self.wait_for(client, "message")
            self.assertEqual((heard["from"], heard["text"]), ("Ann", "Hi \"Bob\" \\ <b>ä</b>  !"))
            self.assertLess(abs(heard["time"] - time.time()), 5)
        newcomer = self.join("Cy")
        self.assertEqual(self.wait_for(newcomer, "message")["text"], heard["text"])
        ann.send(CLOSE, b"\x03\xe8")
        self.wait_for(bob, "notice", text="Ann has left")
        self.wait_for(bob, "people", names=["Cy", "Bob"])

    def test_names(self):
        ann, other = self.join("Ann"), self.join("ANN")
        self.wait_for(other, "hello", name="ANN-2")
        other.send(TEXT, "/name   \u0085 ")
        self.wait_for(other, "notice", text="/name wants a name")
        other.send(TEXT, "/name Zoë")
        self.wait_for(ann, "notice", text="ANN-2 is now Zoë")
        ann.send(TEXT, "/name " + "ü" * 40)  # 80 bytes: cut between characters
        long = self.wait_for(ann, "hello")["name"]
        self.assertEqual((set(long), len(long)), ({"ü"}, 26))

    def test_history_keeps_the_last(self):
        texts = []
        for i in range(9):
            client = self.join("n%d" % i)
            for j in range(7):
                texts.append("%d.%d" % (i, j))
                client.send(TEXT, texts[-1])
                self.wait_for(client, "message", text=texts[-1])
        late = self.join("late")
        self.assertEqual([self.wait_for(late, "message")["text"] for _ in range(50)], texts[-50:])

    def test_terminal(self):
        ann = self.join("Ann")
        wscat = subprocess.Popen([C / "wscat", "-q", self.chat.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.assertRegex(wscat.stdout.readline(), r"^\* you are guest-\d+ ")
        self.assertRegex(wscat.stdout.readline(), r"^\* guest-\d+ is here")
        for line, answer in [("/name Tom", "* you are Tom"), (None, "* guest"), ("hello", "Tom: hello"),
                             ("/who", "* here: Tom, Ann")]:
            if line:
                wscat.stdin.write(line + "\n")
                wscat.stdin.flush()
            self.assertTrue(wscat.stdout.readline().startswith(answer))
        self.assertEqual(self.wait_for(ann, "message")["from"], "Tom")
        wscat.communicate(timeout=10)
        self.assertEqual(wscat.returncode, 0)
        self.wait_for(ann, "notice", text="Tom has left")

    def test_limits(self):
        ann, bob = self.join("Ann"), self.join("Bob")
        for i in range(30):
            bob.send(TEXT, str(i))
        self.wait_for(bob, "notice", text="not so fast, please: that was not passed on")
        bob.send(TEXT, "x" * 2001)
        self.assertEqual(bob.close_frame()[0], 1009)
        ann.send(BINARY, b"x")
        self.assertEqual(ann.close_frame(), (1003, "text only, please"))

    def test_origin(self):
        for origin in ["http://evil.example", "null", "http://127.0.0.1:1"]:
            with self.subTest(origin=origin), self.assertRaisesRegex(ConnectionError, " 403 "):
                Client(self.chat.port, ["Origin: " + origin])
        with Client(self.chat.port, ["Origin: http://127.0.0.1:%d" % self.chat.port]) as client:
            self.assertEqual(client.receive()[0], TEXT)

    def test_end(self):
        ann = self.join("Ann")
        self.chat.process.terminate()
        self.assertEqual(ann.close_frame(), (1001, "the chat server is going down"))


if __name__ == "__main__":
    unittest.main()
