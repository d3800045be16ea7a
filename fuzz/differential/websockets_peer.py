"""What Python's websockets makes of inputs: a case on stdin, a verdict on stdout, one line each, until the end.

A case is a letter (c, s: the frames that a client or a server gets; q, p: a request, a response), the length in
four bytes, and the bytes. A line has how it ended, a code, the events, and what the library says to it.
"""

import struct
import sys

from websockets.client import ClientProtocol
from websockets.frames import CloseCode, Opcode
from websockets.protocol import CONNECTING, OPEN, Protocol, Side
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

LETTERS = {Opcode.TEXT: "T", Opcode.BINARY: "B", Opcode.PING: "I", Opcode.PONG: "O"}


def stream(side, data, limit):
    protocol = Protocol(side, state=OPEN, max_size=limit)
    protocol.receive_data(data)
    events, kind, parts = [], None, b""
    for frame in protocol.events_received():
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            kind, parts = frame.opcode, bytes(frame.data)
        elif frame.opcode is Opcode.CONT:
            parts += bytes(frame.data)
        elif frame.opcode in LETTERS:
            events.append((LETTERS[frame.opcode], bytes(frame.data)))
            continue
        else:
            continue
        if frame.fin:
            # Whoever uses the sans-I/O layer decodes text, and fails the connection when it cannot.
            if kind is Opcode.TEXT:
                try:
                    parts.decode()
                except UnicodeDecodeError as error:
                    return "failed", CloseCode.INVALID_DATA, events, error
            events.append((LETTERS[kind], parts))
    if protocol.parser_exc is not None:
        return "failed", protocol.close_sent.code if protocol.close_sent else 0, events, protocol.parser_exc
    if protocol.close_rcvd is not None:
        return "closed", protocol.close_rcvd.code, events, ""
    return "open", 0, events, ""


def request(data):
    server = ServerProtocol(subprotocols=None, extensions=None)
    server.receive_data(data)
    if server.handshake_exc is not None:
        return "failed", 0, [], server.handshake_exc
    for asked in server.events_received():
        response = server.accept(asked)
        if response.status_code == 101:
            return "accepted", 0, [], ""
        return "failed", 0, [], server.handshake_exc
    return "open", 0, [], ""


def response(data):
    client = ClientProtocol(parse_uri("ws://h/"), subprotocols=["a", "b"])
    client.key = "dGhlIHNhbXBsZSBub25jZQ=="
    client.send_request(client.connect())
    client.receive_data(data)
    if client.handshake_exc is not None:
        return "failed", 0, [], client.handshake_exc
    return ("open" if client.state is CONNECTING else "accepted"), 0, [], ""


def main():
    limit = int(sys.argv[1])
    cases, lines = sys.stdin.buffer, sys.stdout
    while what := cases.read(1):
        data = cases.read(struct.unpack("<I", cases.read(4))[0])
        if what == b"q":
            end, code, events, why = request(data)
        elif what == b"p":
            end, code, events, why = response(data)
        else:
            end, code, events, why = stream(Side.CLIENT if what == b"c" else Side.SERVER, data, limit)
        told = ",".join(letter + payload.hex() for letter, payload in events) or "-"
        lines.write(f"{end} {int(code)} {told} {' '.join(f'{type(why).__name__}: {why}'.split())}\n")
        lines.flush()


main()
