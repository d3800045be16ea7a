"""A WebSocket peer on a plain socket, so that tests see what is on the wire and do not test the library with itself."""
import base64
import os
import socket
import struct

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def request(port, path="/", headers=(), method="GET"):
    """One plain HTTP request: (status, headers as a dict with lower-case names, body)."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        lines = ["%s %s HTTP/1.1" % (method, path), "Host: 127.0.0.1:%d" % port, *headers]
        sock.sendall("\r\n".join([*lines, "", ""]).encode())
        data = b""
        while chunk := sock.recv(65536):
            data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    status, *fields = head.decode().split("\r\n")
    return int(status.split()[1]), {k.lower(): v for k, v in (f.split(": ", 1) for f in fields)}, body


class Client:
    """The client end of a connection: masks what it sends, does not answer by itself. What comes before the
    request, such as a balancer's header, is sent as it is."""

    def __init__(self, port, headers=(), host="127.0.0.1", before=b""):
        self.sock = socket.create_connection((host, port), timeout=10)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = ["GET / HTTP/1.1", "Host: 127.0.0.1:%d" % port, "Upgrade: websocket", "Connection: Upgrade",
                 "Sec-WebSocket-Key: " + key, "Sec-WebSocket-Version: 13", *headers]
        self.sock.sendall(before + "\r\n".join([*lines, "", ""]).encode())
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            self.fill()
        self.head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        if not self.head.startswith(b"HTTP/1.1 101 "):
            self.sock.close()
            raise ConnectionError(self.head.decode())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def fill(self):
        chunk = self.sock.recv(65536)
        if not chunk:
            raise EOFError
        self.buffer += chunk

    def take(self, count):
        while len(self.buffer) < count:
            self.fill()
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def send(self, opcode, payload=b""):
        if isinstance(payload, str):
            payload = payload.encode()
        size = len(payload)
        length = (bytes([0x80 | size]) if size < 126 else struct.pack("!BH", 0xfe, size) if size < 65536
                  else struct.pack("!BQ", 0xff, size))
        mask = os.urandom(4)
        stream = (mask * (size // 4 + 1))[:size]
        masked = (int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")).to_bytes(size, "big")
        self.sock.sendall(bytes([0x80 | opcode]) + length + mask + masked)

    def receive(self):
        """The next frame: (opcode, payload); (None, b"") when the server has closed TCP."""
        try:
            first, length = self.take(2)
        except (EOFError, ConnectionResetError):
            return None, b""
        assert first & 0xf0 == 0x80 and length < 128, "an unfragmented, unmasked frame is expected"
        if length == 126:
            (length,) = struct.unpack("!H", self.take(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self.take(8))
        return first & 0x0f, self.take(length)

    def close_frame(self):
        """Read on to the close frame: (code, reason)."""
        while True:
            opcode, payload = self.receive()
            if opcode == CLOSE:
                return struct.unpack("!H", payload[:2])[0], payload[2:].decode()
            if opcode is None:
                raise AssertionError("TCP ended without a close frame")
