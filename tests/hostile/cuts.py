"""Connections that end after byte n of a whole session, for every n, by a reset or by the end of the stream."""
import contextlib
import socket
import ssl
import struct

import target
import wire

SESSION = (wire.request() + wire.frame(wire.TEXT, b"hello") + wire.frame(wire.PING, b"x")
           + wire.frame(wire.BINARY, b"a", fin=False) + wire.frame(wire.CONTINUATION, b"b") + wire.close(1000, b"bye"))


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=target.PATIENCE)


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def drain(sock):
    """Reads on to the end; how the server ends it is its own affair here."""
    with contextlib.suppress(ConnectionError):
        while sock.recv(1 << 16):
            pass
    sock.close()


def end(sock):
    with contextlib.suppress(OSError):  # it may have closed before
        sock.shutdown(socket.SHUT_WR)
    drain(sock)


def every_byte(server, ending):
    """How many connections that were."""
    for n in range(len(SESSION) + 1):
        sock = connect(server)
        sock.sendall(SESSION[:n])
        ending(sock)
    return len(SESSION) + 1


class TlsSession:
    """A client of TLS that lets out so many bytes and no more."""

    def __init__(self, server, ca, most):
        self.sock, self.left = connect(server), most
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context(cafile=ca)
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    def flush(self):
        waiting = self.outgoing.read()
        self.sock.sendall(waiting[:self.left])
        self.left -= len(waiting)
        return self.left > 0

    def step(self, function, *args):
        """False when all bytes are out that may be."""
        while True:
            try:
                function(*args)
                return self.flush()
            except ssl.SSLWantReadError:
                if not self.flush():
                    return False
                chunk = self.sock.recv(1 << 16)
                self.incoming.write(chunk) if chunk else self.incoming.write_eof()

    def run(self):
        return self.step(self.tls.do_handshake) and self.step(self.tls.write, SESSION)


def every_byte_of_tls(server, ca, ending, stride=1):
    """The same from the first byte of TLS to the last of the session."""
    n = 0
    while True:
        session = TlsSession(server, ca, n)
        whole = session.run()
        ending(session.sock)
        if whole:
            return n // stride + 1
        n += stride
