"""Bytes of the protocol, right and wrong: requests, frames, and what comes back."""
import base64
import os
import struct
import zlib

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate"
MASK = b"\x12\x34\x56\x78"


def request(*headers, line="GET / HTTP/1.1", without=(), end="\r\n\r\n"):
    """An opening request as it should be, but for what is added, replaced or left out (by name)."""
    fields = {"Host": "localhost", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": KEY,
              "Sec-WebSocket-Version": "13"}
    lines = [line] + ["%s: %s" % field for field in fields.items() if field[0] not in without] + list(headers)
    return ("\r\n".join(lines) + end).encode("latin-1")


def masked(payload, key=MASK):
    stream = (key * (len(payload) // 4 + 1))[:len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")).to_bytes(len(payload), "big")


def header(opcode, size, fin=True, rsv=0, mask=MASK, form=None):
    """`form` 7, 16 or 64 bits for the length, whether that is the shortest or not."""
    form = form or (7 if size < 126 else 16 if size < 65536 else 64)
    bit = 0x80 if mask else 0
    length = (bytes([bit | size]) if form == 7 else struct.pack("!BH", bit | 126, size) if form == 16
              else struct.pack("!BQ", bit | 127, size))
    return bytes([(0x80 if fin else 0) | rsv << 4 | opcode]) + length + (mask or b"")


def frame(opcode, payload=b"", mask=MASK, **shape):
    payload = payload.encode() if isinstance(payload, str) else payload
    return header(opcode, len(payload), mask=mask, **shape) + (masked(payload, mask) if mask else payload)


def close(code, reason=b""):
    return frame(CLOSE, struct.pack("!H", code) + reason)


def deflated(payload, level=9):
    """A message as permessage-deflate sends it (RFC 7692 section 7.2.1)."""
    packer = zlib.compressobj(level, zlib.DEFLATED, -15)
    return (packer.compress(payload) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


def random_key():
    return base64.b64encode(os.urandom(16)).decode()


class Ended(Exception):
    """TCP has ended: as it should, or by a reset."""


class Reader:
    """What comes out of a socket, frame by frame."""

    def __init__(self, sock):
        self.sock, self.buffer = sock, b""

    def take(self, count):
        while len(self.buffer) < count:
            self.fill()
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def fill(self):
        try:
            chunk = self.sock.recv(1 << 16)
        except ConnectionError as e:
            raise Ended("reset") from e
        if not chunk:
            raise Ended("end")
        self.buffer += chunk

    def head(self):
        """(status, the whole head) of an HTTP answer."""
        while b"\r\n\r\n" not in self.buffer:
            self.fill()
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1]), head.decode("latin-1")

    def frame(self):
        """(first byte, payload)"""
        first, size = self.take(2)
        if size == 126:
            size, = struct.unpack("!H", self.take(2))
        elif size == 127:
            size, = struct.unpack("!Q", self.take(8))
        return first, self.take(size)
