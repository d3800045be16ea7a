"""What a hostile server sends a client of ours, and how the visit has to end: what it is called, the bytes of the answer
(ACCEPT stands for the right key), whether it opens, the status, the code and the code that we sent (RFC 6455 sections
4.1 and 7.4).

`frames` come behind a handshake that is right.
"""
from wire import BINARY, CLOSE, CONTINUATION, PING, TEXT, deflated, frame, header

MAX_MESSAGE = 1000  # of the client

SWITCH = "HTTP/1.1 101 Switching Protocols"
FIELDS = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": "ACCEPT"}
COMPRESSED = ("Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover",)


def answer(*more, line=SWITCH, without=(), **instead):
    fields = [(name, instead.get(name.replace("-", "_"), value)) for name, value in FIELDS.items() if name not in without]
    return ("\r\n".join([line, *("%s: %s" % field for field in fields), *more]) + "\r\n\r\n").encode("latin-1")


def plain(opcode, payload=b"", **shape):
    return frame(opcode, payload, mask=None, **shape)


REFUSED = [
    ("no HTTP", b"hello there, this is not HTTP\r\n\r\n", "HANDSHAKE"),
    ("a frame at once", plain(TEXT, b"hello"), "HANDSHAKE"),
    ("TLS", b"\x16\x03\x03\x00\x7a" + bytes(122), "HANDSHAKE"),
    ("HTTP/1.0", answer(line="HTTP/1.0 101 Switching Protocols"), "HANDSHAKE"),
    ("HTTP/2.0", answer(line="HTTP/2.0 101 Switching Protocols"), "HANDSHAKE"),
    ("a status of two digits", answer(line="HTTP/1.1 10 Switching"), "HANDSHAKE"),
    ("200", answer(line="HTTP/1.1 200 OK"), "HTTP_STATUS"),
    ("404 with a body without end", b"HTTP/1.1 404 Not Found\r\n\r\n" + b"a" * 1000000, "HTTP_STATUS"),
    ("500 with a length that is none", b"HTTP/1.1 500 Oops\r\nContent-Length: -1\r\n\r\n", "HTTP_STATUS"),
    ("no Upgrade", answer(without=["Upgrade"]), "HANDSHAKE"),
    ("another Upgrade", answer(Upgrade="h2c"), "HANDSHAKE"),
    ("no Connection", answer(without=["Connection"]), "HANDSHAKE"),
    ("another Connection", answer(Connection="close"), "HANDSHAKE"),
    ("no key", answer(without=["Sec-WebSocket-Accept"]), "HANDSHAKE"),
    ("another key", answer(Sec_WebSocket_Accept="s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "HANDSHAKE"),
    ("two keys", answer("Sec-WebSocket-Accept: ACCEPT"), "HANDSHAKE"),
    ("a subprotocol that nobody offered", answer("Sec-WebSocket-Protocol: chat"), "HANDSHAKE"),
    ("an extension that nobody offered", answer("Sec-WebSocket-Extensions: x-none"), "HANDSHAKE"),
    ("deflate twice", answer(*COMPRESSED * 2), "HANDSHAKE"),
    ("deflate with a parameter that is wrong",
     answer("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99"), "HANDSHAKE"),
    ("a folded header", answer("X: a", " b"), "HANDSHAKE"),
    ("a space before the colon", answer("X : a"), "HANDSHAKE"),
    ("NUL in a header", answer("X: \0"), "HANDSHAKE"),
    ("lines that end with LF", answer().replace(b"\r\n", b"\n"), "HANDSHAKE"),
    ("headers without end", answer()[:-2] + b"X: y\r\n" * 10000, "HANDSHAKE"),
    ("a header without end", answer()[:-2] + b"X: " + b"a" * 100000, "HANDSHAKE"),
    ("a first line without end", b"HTTP/1.1 101 " + b"a" * 100000, "HANDSHAKE"),
    ("100 again and again", b"HTTP/1.1 100 Continue\r\n\r\n" * 10000, "HANDSHAKE"),
]

# (name, frames, status, code, code that we sent)
FRAMES = [
    ("a frame that is masked", frame(TEXT, b"a"), "PROTOCOL", 1006, 1002),
    ("a reserved opcode", b"\x83\x00", "PROTOCOL", 1006, 1002),
    ("RSV2", plain(TEXT, b"a", rsv=2), "PROTOCOL", 1006, 1002),
    ("a ping of 126 bytes", header(PING, 126, mask=None), "PROTOCOL", 1006, 1002),
    ("a continuation of nothing", plain(CONTINUATION, b"a"), "PROTOCOL", 1006, 1002),
    ("a length of 2^63", header(BINARY, 1 << 63, mask=None), "PROTOCOL", 1006, 1002),
    ("a close of one byte", plain(CLOSE, b"\x03"), "PROTOCOL", 1006, 1002),
    ("a text that is not UTF-8", plain(TEXT, b"\xff"), "INVALID_DATA", 1006, 1007),
    ("a message that is too large", header(BINARY, MAX_MESSAGE + 1, mask=None), "TOO_BIG", 1006, 1009),
    ("a bomb", plain(BINARY, deflated(bytes(10 << 20)), rsv=4), "TOO_BIG", 1006, 1009),
    ("pings without end", plain(PING) * 100000, "POLICY", 1006, 1008),
    ("fragments without end", plain(TEXT, fin=False) + plain(CONTINUATION, fin=False) * 131072, "POLICY", 1006, 1008),
    ("a close", plain(CLOSE, b"\x03\xe9bye"), "OK", 1001, 1001),
]

OPENS = answer(*COMPRESSED)
