"""What comes after the handshake, good and bad: what each is called, its bytes, and all frames that have to come back.

The last of these is the close frame, told by its code. Cases that end well end with a close of their own.
"""
from wire import BINARY, CLOSE, CONTINUATION, MASK, PING, PONG, TEXT, close, deflated, frame, header

MAX_MESSAGE = 1000  # of the server that they are sent to

BYE = close(1000)
HALF_KEY = header(TEXT, 5)[:4]


def text(payload):
    return (TEXT, payload)


def binary(payload):
    return (BINARY, payload)


def pong(payload):
    return (PONG, payload)


def packed(payload, opcode=TEXT, fin=True):
    return frame(opcode, deflated(payload), rsv=4, fin=fin)


def cut(payload, *at, opcode=TEXT, rsv=0):
    """A message in fragments."""
    edges = [0, *at, len(payload)]
    pieces = [payload[a:b] for a, b in zip(edges, edges[1:])]
    return b"".join(frame(opcode if i == 0 else CONTINUATION, piece, fin=i == len(pieces) - 1, rsv=0 if i else rsv)
                    for i, piece in enumerate(pieces))


GOOD = [
    ("nothing", b"", []),
    ("a text", frame(TEXT, b"hello"), [text(b"hello")]),
    ("an empty text", frame(TEXT), [text(b"")]),
    ("an empty binary message", frame(BINARY), [binary(b"")]),
    ("a mask of zeros", frame(TEXT, b"hello", mask=bytes(4)), [text(b"hello")]),
    ("125 bytes", frame(BINARY, bytes(125)), [binary(bytes(125))]),
    ("126 bytes", frame(BINARY, bytes(126)), [binary(bytes(126))]),
    ("as much as may be", frame(BINARY, bytes(MAX_MESSAGE)), [binary(bytes(MAX_MESSAGE))]),
    ("as much as may be, in two fragments", cut(bytes(MAX_MESSAGE), 1, opcode=BINARY), [binary(bytes(MAX_MESSAGE))]),
    ("a text in fragments", cut(b"hello", 1, 3), [text(b"hello")]),
    ("a text in empty fragments", cut(b"", 0, 0, 0), [text(b"")]),
    ("a character cut by fragments", cut("\u20ac".encode(), 1, 2), [text("\u20ac".encode())]),
    ("a ping", frame(PING, b"x"), [pong(b"x")]),
    ("a ping as long as may be", frame(PING, bytes(125)), [pong(bytes(125))]),
    ("a ping between fragments", frame(TEXT, b"a", fin=False) + frame(PING, b"x") + frame(CONTINUATION, b"b"),
     [pong(b"x"), text(b"ab")]),
    ("a pong that nobody asked for", frame(PONG, b"x"), []),
    ("UTF-8 of each length", frame(TEXT, "a\u00e9\u20ac\U0001f600".encode()), [text("a\u00e9\u20ac\U0001f600".encode())]),
    ("the last character there is", frame(TEXT, b"\xf4\x8f\xbf\xbf"), [text(b"\xf4\x8f\xbf\xbf")]),
    ("a noncharacter, which is allowed", frame(TEXT, b"\xef\xbf\xbf"), [text(b"\xef\xbf\xbf")]),
    ("a text with NUL", frame(TEXT, b"\0"), [text(b"\0")]),
    ("binary that is not UTF-8", frame(BINARY, b"\xff"), [binary(b"\xff")]),
    ("many at once", frame(TEXT, b"a") * 300, [text(b"a")] * 300),
]

# (name, bytes, frames before the close, its code)
CLOSES = [(name, sent + BYE, back, 1000) for name, sent, back in GOOD] + [
    ("a close without a code", frame(CLOSE), [], None),
    ("a close with a reason", close(1001, b"bye"), [], 1001),
    ("a close with the longest reason", close(1000, b"a" * 123), [], 1000),
    ("a close with each code that may be: 1003", close(1003), [], 1003),
    ("a close with 1007", close(1007), [], 1007),
    ("a close with 1011", close(1011), [], 1011),
    ("a close with 1014", close(1014), [], 1014),
    ("a close with 3000", close(3000), [], 3000),
    ("a close with 4999", close(4999), [], 4999),
    ("a close in the midst of a message", frame(TEXT, b"a", fin=False) + BYE, [], 1000),
    ("more after the close", BYE + frame(TEXT, b"a") + b"\xff" * 100, [], 1000),
    ("two closes", BYE + close(1001), [], 1000),
    ("a message and nonsense after it", frame(TEXT, b"a") + b"\xff", [text(b"a")], 1002),
]

VIOLATIONS = [("opcode %d" % opcode, bytes([0x80 | opcode]), [], 1002) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)] + [
    ("RSV%d" % (4 - bit), frame(TEXT, b"a", rsv=1 << bit - 1), [], 1002) for bit in (1, 2, 3)] + [
    ("all RSV bits", frame(TEXT, b"a", rsv=7), [], 1002),
    ("a text that is not masked", frame(TEXT, b"a", mask=None), [], 1002),
    ("a ping that is not masked", frame(PING, mask=None), [], 1002),
    ("a close that is not masked", frame(CLOSE, mask=None), [], 1002),
    ("a ping of 126 bytes", header(PING, 126), [], 1002),
    ("a pong of 65536 bytes", header(PONG, 65536), [], 1002),
    ("a close of 126 bytes", header(CLOSE, 126), [], 1002),
    ("a ping in fragments", frame(PING, b"a", fin=False), [], 1002),
    ("a close in fragments", frame(CLOSE, fin=False), [], 1002),
    ("RSV1 on a ping", frame(PING, rsv=4), [], 1002),
    ("RSV1 on a close", frame(CLOSE, rsv=4), [], 1002),
    ("a short length in 16 bits", header(BINARY, 125, form=16), [], 1002),
    ("no length in 16 bits", header(BINARY, 0, form=16), [], 1002),
    ("a short length in 64 bits", header(BINARY, 1, form=64), [], 1002),
    ("a length for 16 bits in 64", header(BINARY, 65535, form=64), [], 1002),
    ("a length of 2^63", header(BINARY, 1 << 63), [], 1002),
    ("a length of 2^64 - 1", header(BINARY, (1 << 64) - 1), [], 1002),
    ("a continuation of nothing", frame(CONTINUATION, b"a"), [], 1002),
    ("a continuation after a whole message", frame(TEXT, b"a") + frame(CONTINUATION, b"b"), [text(b"a")], 1002),
    ("a text within a text", frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), [], 1002),
    ("a binary message within a text", frame(TEXT, b"a", fin=False) + frame(BINARY, b"b"), [], 1002),
    ("a close of one byte", frame(CLOSE, b"\x03"), [], 1002),
    ("code 0 in a close", close(0), [], 1002),
    ("code 999", close(999), [], 1002),
    ("code 1004", close(1004), [], 1002),
    ("code 1005", close(1005), [], 1002),
    ("code 1006", close(1006), [], 1002),
    ("code 1015", close(1015), [], 1002),
    ("code 1016", close(1016), [], 1002),
    ("code 2999", close(2999), [], 1002),
    ("code 5000", close(5000), [], 1002),
    ("code 65535", close(65535), [], 1002),
    ("a reason that is not UTF-8", close(1000, b"\xff"), [], 1007),
    ("a reason cut within a character", close(1000, b"\xe2\x82"), [], 1007),
    ("a text that is not UTF-8", frame(TEXT, b"\xff"), [], 1007),
    ("a lone continuation byte", frame(TEXT, b"\x80"), [], 1007),
    ("a character longer than it must be", frame(TEXT, b"\xc0\xaf"), [], 1007),
    ("a surrogate", frame(TEXT, b"\xed\xa0\x80"), [], 1007),
    ("a character beyond the last", frame(TEXT, b"\xf4\x90\x80\x80"), [], 1007),
    ("a text cut within a character", frame(TEXT, b"\xe2\x82"), [], 1007),
    ("the same in fragments", cut(b"\xe2\x82", 1), [], 1007),
    ("a bad byte in the first fragment", frame(TEXT, b"\xff", fin=False), [], 1007),
    ("a bad byte in a frame that is not all there", header(TEXT, 100) + bytes([0xff ^ MASK[0]]), [], 1007),
    ("a byte too many", header(BINARY, MAX_MESSAGE + 1), [], 1009),
    ("a byte too many, by fragments", cut(bytes(MAX_MESSAGE + 1), 500, opcode=BINARY), [], 1009),
    ("2^63 - 1 bytes announced", header(BINARY, (1 << 63) - 1), [], 1009),
    ("a million empty pings", frame(PING) * 100000, None, 1008),
    ("empty pongs without end", frame(PONG) * 100000, None, 1008),
    ("empty fragments without end", frame(TEXT, fin=False) + frame(CONTINUATION, fin=False) * 131072, [], 1008),
]

# To a server with permessage-deflate.
COMPRESSED = [
    ("a compressed text", packed(b"hello") + BYE, [text(b"hello")], 1000),
    ("a compressed text in fragments", cut(deflated(b"hello"), 2, rsv=4) + BYE, [text(b"hello")], 1000),
    ("nothing, compressed", frame(TEXT, b"\0", rsv=4) + BYE, [text(b"")], 1000),
    ("not compressed after all", frame(TEXT, b"hello") + BYE, [text(b"hello")], 1000),
    ("a stored block", frame(TEXT, b"\x00\x05\x00\xfa\xff" + b"hello" + b"\x00", rsv=4) + BYE, [text(b"hello")], 1000),
    ("a final block", frame(TEXT, b"\x01\x05\x00\xfa\xff" + b"hello" + b"\x00", rsv=4) + BYE, [text(b"hello")], 1000),
    ("a block of a reserved type", frame(TEXT, b"\x07", rsv=4), [], 1007),
    ("a stored block with a wrong length", frame(TEXT, b"\x00\x05\x00\x05\x00hello", rsv=4), [], 1007),
    ("a reference to before the beginning", frame(TEXT, b"\x03\x02\x00", rsv=4), [], 1007),
    ("data that is cut off", frame(TEXT, deflated(b"hello world, hello world")[:-4], rsv=4), [], 1007),
    ("compressed text that is not UTF-8", packed(b"\xff"), [], 1007),
    ("RSV1 on a continuation", frame(TEXT, b"a", fin=False) + frame(CONTINUATION, b"b", rsv=4), [], 1002),
    ("RSV1 on a ping, although compressed", frame(PING, rsv=4), [], 1002),
    ("RSV2", frame(TEXT, b"a", rsv=2), [], 1002),
    ("a bomb", packed(bytes(10 << 20), BINARY), [], 1009),
    ("a bomb in fragments", cut(deflated(bytes(10 << 20)), 10, 20, opcode=BINARY, rsv=4), [], 1009),
    ("a byte too many, inflated", packed(bytes(MAX_MESSAGE + 1), BINARY), [], 1009),
    ("compressed bytes beyond all sense", header(BINARY, 2 * MAX_MESSAGE, rsv=4), [], 1009),
]

CASES = CLOSES + VIOLATIONS
