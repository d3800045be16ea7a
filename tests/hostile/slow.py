"""Peers that take their time, as data: what each says, byte by byte or at once, and what ends it.

`drip` goes out one byte after the other, PAUSE apart, for as long as the server listens. What has to come back is the
status of an answer, the code of a close frame, or nothing but the end of TCP.
"""
import wire
from sieges import hello

PAUSE = 0.5
IDLE_SECONDS = 2
FAST = b"A: " + b"b" * 38 + b"\r\n"  # 86 bytes a second, more than WSOCK_OPT_MIN_HANDSHAKE_RATE
PROXY_V1 = b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 80\r\n"
PROXY_V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12)
ENDLESS = bytes(1000)


class Slow:
    """`piece` bytes of the drip at a time; `reads` is False for who never reads."""

    def __init__(self, name, at_once=b"", drip=b"", expects="end", piece=1, reads=True):
        self.name, self.at_once, self.drip, self.expects, self.piece, self.reads = name, at_once, drip, expects, piece, reads


OPEN = wire.request()
LARGEST = 1 << 20  # of a message of theirs

# To a server with our defaults: WSOCK_OPT_HANDSHAKE_TIMEOUT_MS and WSOCK_OPT_MIN_HANDSHAKE_RATE.
REQUESTS = [
    Slow("says nothing"),
    Slow("a request, byte by byte", drip=OPEN, expects=408),
    Slow("half a request, and silence", at_once=OPEN[:60], expects=408),
    Slow("empty lines, byte by byte", drip=b"\r\n" * 500, expects=408),
    Slow("headers without end, just fast enough", at_once=OPEN[:-2], drip=FAST * 100, piece=len(FAST)),
    Slow("refused, and does not go", at_once=b"GET / HTTP/1.1\r\n\r\n", drip=ENDLESS, expects=400),
    Slow("a violation, and does not go", at_once=OPEN + b"\xff", drip=ENDLESS, expects=("close", 1002)),
]

# To one that listens with TLS, and to one behind a balancer.
TLS = [
    Slow("TLS: says nothing"),
    Slow("TLS: hello, byte by byte", drip=hello()),
    Slow("TLS: half a hello", at_once=hello()[:100]),
    Slow("TLS: a hello, and silence", at_once=hello(), expects="anything"),
]
PROXY = [
    Slow("PROXY: says nothing"),
    Slow("PROXY: version 1, byte by byte", drip=PROXY_V1 * 5),
    Slow("PROXY: version 2, byte by byte", drip=PROXY_V2 * 5),
    Slow("PROXY: version 1 without end", at_once=PROXY_V1[:-2] + b" " * 200),
    Slow("PROXY: the header, then a request byte by byte", at_once=PROXY_V1, drip=OPEN, expects=408),
]

# To one with WSOCK_OPT_IDLE_TIMEOUT_MS; none of these sends a message, so they are idle.
IDLE = [
    Slow("open, and silent", at_once=OPEN, expects=("close", 1001)),
    Slow("the header of a frame, byte by byte", at_once=OPEN, drip=wire.header(wire.BINARY, 1 << 20) + ENDLESS,
         expects=("close", 1001)),
    Slow("a large frame announced and dripped", at_once=OPEN + wire.header(wire.BINARY, 16 << 20), drip=ENDLESS,
         expects=("close", 1001)),
    Slow("a message in fragments that never ends", at_once=OPEN + wire.frame(wire.TEXT, fin=False),
         drip=wire.frame(wire.CONTINUATION, b"a", fin=False) * 100, piece=7, expects=("close", 1001)),
    Slow("nothing but pings", at_once=OPEN, drip=wire.frame(wire.PING) * 100, piece=6, expects=("close", 1001)),
    Slow("asks for much and reads nothing", at_once=OPEN + wire.frame(wire.BINARY, bytes(LARGEST)) * 12, reads=False,
         expects="anything"),
]
