"""python -m wsock."""
import re
import signal
import subprocess
import sys
import urllib.request

import pytest


class server:
    """`python -m wsock serve`."""

    def __init__(self, *args):
        self.args = args

    def __enter__(self):
        self.process = subprocess.Popen([sys.executable, "-m", "wsock", "serve", "--port", "0", *self.args],
                                        stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.url = re.match(r"listening on (ws://127\.0\.0\.1:\d+/)", line)[1]
        return self.url

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0
        self.process.stdout.close()


def client(*args, typed=""):
    done = subprocess.run([sys.executable, "-m", "wsock", *args], input=typed, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_a_client_talks_to_the_echo_server():
    with server() as url:
        code, out, told = client(url, "--linger", "1", typed="hello\ngrüße\n")
        assert (code, out) == (0, "hello\ngrüße\n")
        assert told == f"Connected to {url}.\nConnection closed: 1000.\n"


def test_the_chat_has_a_page():
    with server("--chat") as url:
        page = urllib.request.urlopen(url.replace("ws", "http", 1)).read().decode()
        assert "<title>wsock chat</title>" in page
        code, out, _ = client(url, "--linger", "1", typed="me: hi\n")
        assert (code, out) == (0, "me: hi\n")


@pytest.mark.parametrize("args, told", [
    (["ws://127.0.0.1:1/"], "Connection refused"),
    (["ftp://x/"], "isn't a valid URI"),
    (["ws://127.0.0.1:1/", "-H", "nonsense"], "is no header"),
    ([], "uri"),
])
def test_what_goes_wrong_is_told_in_a_line(args, told):
    code, out, error = client(*args)
    assert code != 0 and told in error and "Traceback" not in error
