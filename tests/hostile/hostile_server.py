"""A server that means no good, and what a client of ours says about its visits."""
import base64
import hashlib
import re
import socket
import subprocess
import threading

import answers
import cuts
import target
import wire
from bystander import GUID

LIMITS = {"handshake_ms": 60000, "close_ms": 60000, "max_message": answers.MAX_MESSAGE}


class HostileServer(threading.Thread):
    """Calls `treat(socket, number)` for each connection, one after the other."""

    def __init__(self, treat):
        super().__init__(daemon=True)
        self.treat, self.listener = treat, socket.create_server(("127.0.0.1", 0))
        self.url = "ws://127.0.0.1:%d/" % self.listener.getsockname()[1]

    def run(self):
        number = 0
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.settimeout(target.PATIENCE)
            try:
                self.treat(sock, number)
            except (OSError, wire.Ended):
                sock.close()  # the client may leave whenever it likes
            number += 1

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.join()


def read_request(sock):
    """The right key for an answer."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = sock.recv(1 << 16)
        if not chunk:
            raise wire.Ended
        data += chunk
    key = re.search(rb"Sec-WebSocket-Key: (\S+)", data).group(1)
    return base64.b64encode(hashlib.sha1(key + GUID).digest())


def visits(treat, count, **limits):
    """[(opened, messages, status, code, code that was sent, clean)] of a client that is treated like this."""
    chosen = {**LIMITS, **limits}
    with HostileServer(treat) as server:
        command = [target.PROGRAMS / "visitor", server.url, count, *chosen.values()]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=2 * target.PATIENCE)
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    _, before, after = last.split()
    assert before == after, "descriptors: %s before, %s after" % (before, after)
    found = []
    for line in lines:
        opened, messages, status, code, sent, clean = line.split()
        status = status.removeprefix("WSOCK_ERR_").removeprefix("WSOCK_")
        found.append((int(opened), int(messages), status, int(code), int(sent), int(clean)))
    assert len(found) == count, "%d visits, %d ends" % (count, len(found))
    return found


def answering(scripts):
    """Answers visit n with script n, and reads on until the client has had enough."""
    def treat(sock, number):
        accept = read_request(sock)
        sock.sendall(scripts[number].replace(b"ACCEPT", accept))
        if scripts[number].startswith(answers.OPENS):
            cuts.drain(sock)
        else:
            cuts.end(sock)
    return treat


def session():
    """All that a good server says in a visit."""
    return answers.answer() + wire.frame(wire.TEXT, b"hello", mask=None) + wire.frame(wire.CLOSE, b"\x03\xe8", mask=None)


def cutting(ending):
    """Breaks visit n off after byte n of a good one."""
    whole = session()
    length = len(whole) - len("ACCEPT") + 28

    def treat(sock, number):
        said = whole.replace(b"ACCEPT", read_request(sock))
        sock.sendall(said[:number])
        ending(sock)
    return treat, length
