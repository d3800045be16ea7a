"""Opening requests, good and bad: what each is called, its bytes, and the status that has to come back.

What is refused is refused for all of RFC 6455 section 4.2.1 and RFC 9112; what is odd but allowed must work.
"""
from wire import KEY, request

OK = 101


def replaced(name, *values):
    """The request with one field told otherwise."""
    return request(*["%s: %s" % (name, value) for value in values], without=[name])


def padded(size):
    """A head of exactly so many bytes, in lines that are short enough."""
    rest = size - len(request())
    lines = []
    while rest > 0:
        line = min(rest, 4000) if rest < 4000 or rest - 4000 > 10 else rest - 100
        lines.append("X: " + "a" * (line - len("X: \r\n")))
        rest -= line
    return request(*lines)


FIELDS = 5  # of a plain request

GOOD = [
    ("as it should be", request()),
    ("names in lower case", request().lower().replace(b"get / http", b"GET / HTTP").replace(KEY.lower().encode(), KEY.encode())),
    ("Upgrade among others", replaced("Upgrade", "h2c, WebSocket")),
    ("Upgrade in two lines", replaced("Upgrade", "h2c", "websocket")),
    ("Connection among others", replaced("Connection", "keep-alive, Upgrade")),
    ("Connection in two lines", replaced("Connection", "close", "upgrade")),
    ("tabs and spaces around values", replaced("Upgrade", "\t websocket \t")),
    ("no space behind the colon", request().replace(b": ", b":")),
    ("empty lines before it", b"\r\n\r\n" + request()),
    ("a later HTTP/1.x", request(line="GET / HTTP/1.9")),
    ("a path with a query", request(line="GET /a/b?c=d&e HTTP/1.1")),
    ("a target that begins with two slashes", request(line="GET //a HTTP/1.1")),
    ("a whole URL as target", request(line="GET http://localhost/a HTTP/1.1")),
    ("a whole URL of WebSocket", request(line="GET ws://localhost/ HTTP/1.1")),
    ("Host with a port", replaced("Host", "localhost:1234")),
    ("Host that is an IPv6 address", replaced("Host", "[::1]:80")),
    ("Content-Length of nothing", request("Content-Length: 0")),
    ("Expect, which asks for a body's sake", request("Expect: 100-continue")),
    ("an empty value", request("X-Empty:")),
    ("a value in UTF-8", request("X: \xc3\xa9")),
    ("a value in Latin-1", request("X: \xe9")),
    ("an empty Origin", request("Origin:")),
    ("an opaque Origin", request("Origin: null")),
    ("subprotocols that nobody knows", request("Sec-WebSocket-Protocol: a, b", "Sec-WebSocket-Protocol: c")),
    ("empty elements among subprotocols", request("Sec-WebSocket-Protocol: a,, b,")),
    ("an extension that nobody knows", request("Sec-WebSocket-Extensions: x-none; a=b; c=\"d\"")),
    ("as many extensions as are read", request("Sec-WebSocket-Extensions: " + ", ".join(["a"] * 64))),
    ("deflate with a parameter that is wrong", request("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=7")),
    ("deflate with a parameter twice", request("Sec-WebSocket-Extensions: permessage-deflate; a; a")),
    ("as many headers as there may be", request(*["X: y"] * (100 - FIELDS))),
    ("a line as long as it may be", request(line="GET /%s HTTP/1.1" % ("a" * (8192 - len("GET / HTTP/1.1"))))),
    ("a head as large as it may be", padded(16384)),
]

BAD = [
    ("nothing but empty lines", b"\r\n" * 9000, 431),
    ("POST", request(line="POST / HTTP/1.1"), 405),
    ("HEAD", request(line="HEAD / HTTP/1.1"), 405),
    ("CONNECT", request(line="CONNECT localhost:443 HTTP/1.1"), 405),
    ("get in lower case", request(line="get / HTTP/1.1"), 405),
    ("a method that is no token", request(line="G@T / HTTP/1.1"), 400),
    ("no method", request(line=" / HTTP/1.1"), 400),
    ("HTTP/1.0", request(line="GET / HTTP/1.0"), 505),
    ("HTTP/2.0", request(line="GET / HTTP/2.0"), 505),
    ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("http/1.1 in lower case", request(line="GET / http/1.1"), 400),
    ("no version, as in HTTP/0.9", b"GET /\r\n\r\n", 400),
    ("a space behind the version", request(line="GET / HTTP/1.1 "), 400),
    ("two spaces in the first line", request(line="GET  / HTTP/1.1"), 400),
    ("a space in the target", request(line="GET /a b HTTP/1.1"), 400),
    ("a tab in the target", request(line="GET /\t HTTP/1.1"), 400),
    ("a target that is no path", request(line="GET a HTTP/1.1"), 400),
    ("a star as target", request(line="GET * HTTP/1.1"), 400),
    ("a fragment in the target", request(line="GET /#a HTTP/1.1"), 400),
    ("a URL of another scheme", request(line="GET ftp://localhost/ HTTP/1.1"), 400),
    ("a URL without a host", request(line="GET http:/// HTTP/1.1"), 400),
    ("a target that is not ASCII", request(line="GET /\xff HTTP/1.1"), 400),
    ("no Host", request(without=["Host"]), 400),
    ("two Hosts", request("Host: localhost"), 400),
    ("an empty Host", replaced("Host", ""), 400),
    ("Host with a user", replaced("Host", "a@b"), 400),
    ("Host with a path", replaced("Host", "a/b"), 400),
    ("Host with a space", replaced("Host", "a b"), 400),
    ("Host that is only a port", replaced("Host", ":80"), 400),
    ("plain HTTP", request(without=["Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"]), 426),
    ("no Upgrade", request(without=["Upgrade"]), 400),
    ("Upgrade to something else", replaced("Upgrade", "h2c"), 400),
    ("Upgrade to something longer", replaced("Upgrade", "websockets"), 400),
    ("no Connection", request(without=["Connection"]), 400),
    ("Connection that says something else", replaced("Connection", "keep-alive"), 400),
    ("no key", request(without=["Sec-WebSocket-Key"]), 400),
    ("an empty key", replaced("Sec-WebSocket-Key", ""), 400),
    ("a key of 15 bytes", replaced("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAA"), 400),
    ("a key of 17 bytes", replaced("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAAA="), 400),
    ("a key without its padding", replaced("Sec-WebSocket-Key", KEY.rstrip("=")), 400),
    ("a key that is not base64", replaced("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25j*Q=="), 400),
    ("a key with a space inside", replaced("Sec-WebSocket-Key", "dGhlIHNhbXBsZ SBub25jZQ=="), 400),
    ("two keys", request("Sec-WebSocket-Key: " + KEY), 400),
    ("no version of WebSocket", request(without=["Sec-WebSocket-Version"]), 400),
    ("version 8", replaced("Sec-WebSocket-Version", "8"), 426),
    ("version 14", replaced("Sec-WebSocket-Version", "14"), 426),
    ("version 013", replaced("Sec-WebSocket-Version", "013"), 426),
    ("versions 13 and 8 in one line", replaced("Sec-WebSocket-Version", "13, 8"), 426),
    ("two versions", request("Sec-WebSocket-Version: 13"), 400),
    ("a body", request("Content-Length: 5") + b"hello", 400),
    ("a body of negative length", request("Content-Length: -1"), 400),
    ("a body in chunks", request("Transfer-Encoding: chunked") + b"0\r\n\r\n", 400),
    ("a body of two lengths", request("Content-Length: 0", "Content-Length: 5"), 400),
    ("lines that end with LF", request().replace(b"\r\n", b"\n"), 400),
    ("lines that end with CR", request().replace(b"\r\n", b"\r"), 400),
    ("one line that ends with LF", request("X: y").replace(b"y\r\n", b"y\n"), 400),
    ("CR within a line", request("X: a\rb"), 400),
    ("NUL in a value", request("X: a\0b"), 400),
    ("DEL in a value", request("X: a\x7fb"), 400),
    ("escape in the first line", request(line="GET /\x1b HTTP/1.1"), 400),
    ("a folded header", request("X: a\r\n b"), 400),
    ("a space before the first header", request().replace(b"\r\nHost", b"\r\n Host"), 400),
    ("a space before the colon", request("X : a"), 400),
    ("a header without a colon", request("X"), 400),
    ("a header without a name", request(": a"), 400),
    ("a name with a space", request("X Y: a"), 400),
    ("a name that is not ASCII", request("\xe9: a"), 400),
    ("a subprotocol that is no token", request("Sec-WebSocket-Protocol: a b"), 400),
    ("a subprotocol twice", request("Sec-WebSocket-Protocol: a, a"), 400),
    ("an extension that is no token", request("Sec-WebSocket-Extensions: a b"), 400),
    ("an extension whose value is no token", request("Sec-WebSocket-Extensions: a; b=\"c d\""), 400),
    ("an extension with a quote that does not end", request("Sec-WebSocket-Extensions: a; b=\"c"), 400),
    ("an extension with a parameter without name", request("Sec-WebSocket-Extensions: a; =b"), 400),
    ("more extensions than are read", request("Sec-WebSocket-Extensions: " + ", ".join(["a"] * 65)), 400),
    ("two Origins", request("Origin: http://a", "Origin: http://b"), 400),
    ("a header more than there may be", request(*["X: y"] * (101 - FIELDS)), 431),
    ("headers without end", request(end="\r\n") + b"X: y\r\n" * 2000, 431),
    ("a first line that is too long", request(line="GET /%s HTTP/1.1" % ("a" * (8193 - len("GET / HTTP/1.1")))), 414),
    ("a first line without end", b"GET /" + b"a" * 20000, 414),
    ("a head that is too large", padded(16385), 431),
    ("one header without end", request(end="\r\n") + b"X: " + b"a" * 20000, 431),
    ("the beginning of TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100), 400),
    ("an alert of TLS", b"\x15\x03\x03\x00\x02\x02\x28", 400),
    ("a frame", b"\x81\x85\x00\x00\x00\x00hello", 400),
    ("another protocol: ssh", b"SSH-2.0-OpenSSH_9.9\r\n", 400),
    ("another protocol: smtp", b"EHLO localhost\r\n", 400),
    ("another protocol: rtsp", b"OPTIONS * RTSP/1.0\r\n\r\n", 400),
    ("the header of a balancer nobody trusts", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + request(), 400),
    ("NULs", bytes(100), 400),
    ("every byte there is", bytes(range(256)), 400),
]

CASES = [(name, sent, OK) for name, sent in GOOD] + BAD
