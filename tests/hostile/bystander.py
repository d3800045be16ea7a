"""A client that behaves, while others do not: it has messages echoed without a pause, and every echo has to be right."""
import base64
import hashlib
import os
import socket
import ssl
import threading

import target
import wire

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def connect(server, ca=None, headers=(), before=b""):
    """(socket, reader) after a handshake that went well; what comes before the request is a balancer's word."""
    sock = socket.create_connection(("127.0.0.1", server.port), timeout=target.PATIENCE)
    sock.sendall(before)
    if ca:
        sock = ssl.create_default_context(cafile=ca).wrap_socket(sock, server_hostname="localhost")
    key = wire.random_key()
    sock.sendall(wire.request("Sec-WebSocket-Key: " + key, *headers, without=["Sec-WebSocket-Key"]))
    reader = wire.Reader(sock)
    status, head = reader.head()
    accept = base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()
    assert status == 101 and "Sec-WebSocket-Accept: %s\r\n" % accept in head + "\r\n", head
    return sock, reader


def say_goodbye(sock, reader):
    """Ends it as the protocol says; the answer has the same code."""
    with sock:
        sock.sendall(wire.close(1000))
        first, payload = reader.frame()
        assert (first, payload) == (0x80 | wire.CLOSE, b"\x03\xe8"), (first, payload)


def greet(server, ca=None, before=b""):
    """One whole visit: comes, has a message echoed, leaves."""
    sock, reader = connect(server, ca, before=before)
    sock.sendall(wire.frame(wire.TEXT, b"hello"))
    assert reader.frame() == (0x80 | wire.TEXT, b"hello")
    say_goodbye(sock, reader)


class Bystander(threading.Thread):
    """In a `with` around an attack: at its end, all its echoes have come back."""

    def __init__(self, server, ca=None, before=b""):
        super().__init__()
        self.sock, self.reader = connect(server, ca, before=before)
        self.over, self.first, self.echoes, self.complaint = threading.Event(), threading.Event(), 0, None

    def run(self):
        try:
            while not self.over.wait(0.005 if self.echoes else 0):
                payload = os.urandom(100)
                self.sock.sendall(wire.frame(wire.BINARY, payload))
                assert self.reader.frame() == (0x80 | wire.BINARY, payload), "another answer than the echo"
                self.echoes += 1
                self.first.set()
            say_goodbye(self.sock, self.reader)
        except Exception as e:
            self.complaint = e

    def __enter__(self):
        self.start()
        self.first.wait(target.PATIENCE)
        return self

    def __exit__(self, kind, *_):
        self.over.set()
        self.join()
        if kind is None:
            assert self.complaint is None and self.echoes > 0, "the client that behaves: %r" % self.complaint
