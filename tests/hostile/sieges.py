"""Attacks at full force, as data: what each connection sends first, what it goes on with, and how siege.c does it."""
import ssl
import subprocess

import judge
import target
import wire

OPENING = wire.request()
DEFLATING = wire.request(wire.DEFLATE)
# A little below and far above WSOCK_OPT_MAX_CONTROL_RATE: 1000 pings of six bytes in a second.
PINGS_ALLOWED = 900 * 6
BOMB = 16 << 20  # what it becomes: the largest message of the defaults


def hello():
    """The first message of a TLS client; the server has to answer it with a signature."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).wrap_bio(incoming, outgoing, server_hostname="localhost")
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()


class Siege:
    """`server` are switches of the server; `ways` those of siege.c. `holds` is what a connection can make the server
    keep: bytes of a message that is not finished, and of one that waits to be sent."""

    def __init__(self, name, conns, *ways, open=b"", flood=b"", pace=0, server=(), tls=False, holds=(0, 0)):
        self.name, self.conns, self.ways, self.open, self.flood = name, conns, ways, open, flood
        self.pace, self.server, self.tls, self.holds = pace, server, tls, holds

    def bound(self):
        """What memory it may cost, computed from the limits."""
        kept = judge.KEPT if max(self.holds) > 65536 else 0
        return judge.LOOP + kept + self.conns * judge.each(*self.holds, tls=self.tls, open="--wait" in self.ways)

    def lay(self, port, seconds, folder, prefix=()):
        """siege.c begins."""
        (folder / "open").write_bytes(self.open)
        (folder / "flood").write_bytes(self.flood)
        command = [*prefix, target.PROGRAMS / "siege", "--port", port, "--conns", self.conns, "--seconds", seconds,
                   "--open", folder / "open", "--flood", folder / "flood", "--pace", self.pace, *self.ways]
        return subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)


def sieges():
    fragments = wire.frame(wire.TEXT, b"a", fin=False)
    bomb = wire.frame(wire.TEXT, wire.deflated(b"a" * BOMB), rsv=4)
    too_large = wire.frame(wire.TEXT, wire.deflated(b"a" * (BOMB + 1)), rsv=4)
    packed = wire.deflated(b"a" * BOMB)
    crumbs = wire.frame(wire.TEXT, packed[:9000], rsv=4, fin=False) + b"".join(
        wire.frame(wire.CONTINUATION, packed[i:i + 1], fin=i + 1 == len(packed)) for i in range(9000, len(packed)))
    many = wire.frame(wire.TEXT, wire.deflated(b"a" * 65536), rsv=4) * 8
    return [
        Siege("connect and reset", 256, "--again"),
        Siege("connect and be silent", 5000),
        Siege("garbage instead of a request", 256, "--again", open=b"\x00\x01\x02garbage\r\n\r\n"),
        Siege("handshake and reset", 256, "--again", open=OPENING),
        Siege("large heads", 256, "--again", open=wire.request("X: " + "a" * 16000)),
        Siege("request, byte by byte", 4000, open=OPENING, pace=2),
        Siege("headers without end", 1000, open=OPENING[:-2], flood=b"A: b\r\n", pace=100),
        Siege("tiny messages", 100, "--wait", open=OPENING, flood=wire.frame(wire.TEXT, b"a") * 1000, holds=(0, 1)),
        Siege("tiny messages, nothing read", 100, "--wait", "--deaf", open=OPENING,
              flood=wire.frame(wire.TEXT, b"a") * 1000, holds=(0, 1)),
        Siege("messages of 64 KiB", 100, "--wait", open=OPENING, flood=wire.frame(wire.BINARY, bytes(65536)),
              holds=(65536, 65536)),
        Siege("messages of 64 KiB, nothing read", 100, "--wait", "--deaf", open=OPENING,
              flood=wire.frame(wire.BINARY, bytes(65536)), holds=(65536, 65536)),
        Siege("messages of 1 MiB", 32, "--wait", open=OPENING, flood=wire.frame(wire.BINARY, bytes(1 << 20)),
              holds=(1 << 20, 1 << 20)),
        Siege("messages of 16 MiB", 8, "--wait", open=OPENING, flood=wire.frame(wire.BINARY, bytes(BOMB)),
              holds=(BOMB, BOMB)),
        Siege("large messages never finished", 100, "--wait", open=OPENING + wire.header(wire.BINARY, BOMB),
              flood=bytes(1000), pace=20000, holds=(BOMB, 0)),
        Siege("pings, as many as allowed", 100, "--wait", open=OPENING, flood=wire.frame(wire.PING) * 100,
              pace=PINGS_ALLOWED),
        Siege("pings, too many", 100, "--wait", open=OPENING, flood=wire.frame(wire.PING, b"x" * 100) * 100),
        Siege("empty fragments", 100, "--wait", open=OPENING + fragments,
              flood=wire.frame(wire.CONTINUATION, fin=False) * 1000),
        Siege("invalid frames", 256, "--wait", open=OPENING, flood=b"\xff" * 100),
        Siege("close, and nothing after", 256, "--again", open=OPENING + wire.close(1000)),
        Siege("compressed messages", 50, "--wait", open=DEFLATING, flood=many, server=["--deflate"],
              holds=(65536, 65536)),
        Siege("bombs of 16 MiB", 8, "--wait", open=DEFLATING, flood=bomb, server=["--deflate"], holds=(BOMB, BOMB)),
        Siege("bombs beyond 16 MiB", 8, "--wait", open=DEFLATING, flood=too_large, server=["--deflate"],
              holds=(BOMB, 0)),
        Siege("bombs beyond 1 MiB", 8, "--wait", open=DEFLATING, flood=bomb,
              server=["--deflate", "--max-message", 1 << 20], holds=(1 << 20, 0)),
        Siege("bombs, the second half in crumbs", 8, "--wait", open=DEFLATING, flood=crumbs, server=["--deflate"],
              holds=(BOMB, BOMB)),
        Siege("TLS: hello and reset", 256, "--again", open=hello(), tls=True),
        Siege("TLS: hello, byte by byte", 4000, open=hello(), pace=20, tls=True),
        Siege("TLS: garbage", 256, "--again", open=b"\x16\x03\x01\x40\x00" + bytes(1000), tls=True),
    ]
