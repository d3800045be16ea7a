"""What a server is asked for, whoever waits for its connections, and how it lets clients in."""
from __future__ import annotations

import ctypes
import inspect
import os
import re
import socket
import sys
import time
from typing import Any, Callable, Dict, List, Optional, Pattern, Sequence, Tuple, Union

from . import _ffi
from ._engine import Engine, Listener
from ._options import Options, Path, WriteLimit, c_text, tls_of
from ._peer import LoggerLike, Peer, headers_at
from ._status import check
from ._stream import handlers_for
from ._version import VERSION
from .exceptions import NegotiationError
from .http import Headers, Request, Response

SERVER = f"Python/{sys.version_info[0]}.{sys.version_info[1]} wsock/{VERSION}"

Origins = Sequence[Union[str, Pattern[str], None]]


class ServerSettings:
    """The arguments of `serve`."""

    def __init__(
        self,
        host: Union[str, Sequence[str], None] = None,
        port: Optional[int] = None,
        *,
        origins: Optional[Origins] = None,
        subprotocols: Optional[Sequence[str]] = None,
        select_subprotocol: Optional[Callable[..., Optional[str]]] = None,
        compression: Optional[str] = "deflate",
        process_request: Optional[Callable[..., Any]] = None,
        server_header: Optional[str] = SERVER,
        open_timeout: Optional[float] = 10,
        ping_interval: Optional[float] = 20,
        ping_timeout: Optional[float] = 20,
        close_timeout: Optional[float] = 10,
        max_size: Optional[int] = 2**20,
        write_limit: WriteLimit = 2**15,
        ssl: Any = None,
        sock: Optional[socket.socket] = None,
        path: Optional[Path] = None,
        backlog: int = 65535,
        reuse_port: bool = False,
        trusted_proxies: Sequence[str] = (),
        streaming: bool = False,
        text_as_bytes: bool = False,
    ) -> None:
        self.streaming = streaming
        self.text_as_bytes = text_as_bytes
        self.hosts: List[Optional[str]] = [host] if host is None or isinstance(host, str) else list(host)
        self.port = port or 0
        self.origins = origins
        self.select_subprotocol = select_subprotocol
        self.process_request = process_request
        self.server_header = server_header
        self.subprotocols = subprotocols
        self.open_timeout = open_timeout
        self.sock = sock
        self.path = None if path is None else os.fspath(path)
        self.tls = tls_of(ssl, server=True)
        if self.tls is not None and self.tls.certfile is None:
            raise ValueError("a server needs a certificate: ssl=wsock.TLS(certfile=..., keyfile=...)")
        self._backlog = backlog
        self._reuse_port = reuse_port
        self._trusted_proxies = trusted_proxies
        self._common = dict(
            open_timeout=open_timeout, ping_interval=ping_interval, ping_timeout=ping_timeout, close_timeout=close_timeout,
            max_size=max_size, write_limit=write_limit, compression=compression, subprotocols=subprotocols, tls=self.tls,
        )

    def lets_in(self, origin: Optional[str]) -> bool:
        """Whether pages of this origin may connect."""
        for allowed in self.origins or ():
            if isinstance(allowed, re.Pattern):
                if origin is not None and allowed.fullmatch(origin):
                    return True
            elif allowed == origin:
                return True
        return self.origins is None

    def fill(self, options: Options) -> None:
        """Puts them into a set of options."""
        options.common(**self._common)  # type: ignore[arg-type]
        options.number(_ffi.WSOCK_OPT_ASK, 1)
        options.number(_ffi.WSOCK_OPT_BACKLOG, self._backlog)
        options.number(_ffi.WSOCK_OPT_REUSE_PORT, self._reuse_port)
        for proxies in self._trusted_proxies:
            check(_ffi.wsock_options_add_trusted_proxy(options.handle, proxies.encode()))


class ServerSide(Peer):
    """The server's side of a connection, whoever waits for it."""

    is_server = True

    def respond(self, status: int, text: str) -> Response:
        """An answer that refuses the connection, to be returned by `process_request`."""
        return Response.of_text(status, text)


class Acceptor(Listener):
    """The listening part of a server: what becomes of requests."""

    def __init__(self, engine: Engine, settings: ServerSettings, logger: LoggerLike) -> None:
        self.logger = logger
        self._engine = engine
        self._settings = settings
        self._handles: List[int] = []
        #: Requests that are answered and not open yet, by whom they are from and their key.
        self._accepted: Dict[Tuple[str, str], List[Tuple[Peer, float]]] = {}
        self._addresses: List[Any] = []
        #: It ends: nobody is let in.
        self._draining = False

    def make(self) -> Peer:
        """A connection for a request that has come."""
        raise NotImplementedError

    def begin(self, connection: Peer) -> None:
        """It is open."""
        raise NotImplementedError

    #: Whether `process_request` may be a coroutine function.
    awaits = False

    def later(self, waits: Any) -> None:
        """Sees to it that something that is to be awaited is."""
        raise NotImplementedError

    def listen(self) -> None:
        """Listens where the settings say."""
        settings = self._settings
        with Options() as options:
            settings.fill(options)
            if settings.sock is not None:
                address = settings.sock.getsockname()
                self._listen_on(settings.sock, options)
                self._addresses.append(address)
            elif settings.path is not None:
                self._listen("unix:" + settings.path, 0, options)
                self._addresses.append(settings.path)
            else:
                port = settings.port
                for host in settings.hosts:
                    # Several hosts have the same port, also when it is a free one.
                    port = self._listen(host, port, options)
                    self._addresses.append((host or "", port))

    def _listen(self, host: Optional[str], port: int, options: Options) -> int:
        handle = ctypes.c_void_p()
        check(_ffi.wsock_listen(self._engine.handle, None if host is None else host.encode(), port, options.handle,
                                handlers_for(self._settings.streaming), None, ctypes.byref(handle)))
        return self._listens(handle)

    def _listen_on(self, sock: socket.socket, options: Options) -> int:
        handle = ctypes.c_void_p()
        fd = os.dup(sock.fileno())
        handlers = handlers_for(self._settings.streaming)
        status = _ffi.wsock_listen_fd(self._engine.handle, fd, options.handle, handlers, None, ctypes.byref(handle))
        if status < 0:
            os.close(fd)
        check(status)
        sock.close()
        return self._listens(handle)

    def _listens(self, handle: ctypes.c_void_p) -> int:
        assert handle.value is not None
        self._handles.append(handle.value)
        self._engine.listen(handle.value, self)
        return int(_ffi.wsock_server_port(handle.value))

    def close_native(self, code: int = 1001, reason: str = "") -> None:
        """Ends the listeners, and connections with this code."""
        for handle in self._handles:
            status = _ffi.wsock_server_close(handle, 0, code, c_text(reason))
            if status != _ffi.WSOCK_ERR_INVALID_HANDLE:  # it has ended already
                check(status)

    # What the engine tells

    def asked(self, request: int) -> None:
        try:
            answer = self._decide(request)
        except Exception:
            answer = self._failed()
        if inspect.isawaitable(answer):
            self.later(self._answer_later(request, answer))
        else:
            self._answer(request, answer)

    def _failed(self) -> Response:
        self.logger.error("opening handshake failed", exc_info=True)
        return Response.of_text(500, "Failed to open a WebSocket connection.\n")

    def refuse(self, request: int) -> None:
        """There is nobody who could decide."""
        self._answer(request, Response.of_text(503, "Server is too busy.\n"))

    async def _answer_later(self, request: int, answer: Any) -> None:
        decided: Any = None
        try:
            decided = await answer
        except Exception:
            decided = self._failed()
        except BaseException:
            decided = self._failed()
            raise
        finally:
            self._answer(request, decided)

    def _decide(self, handle: int) -> Any:
        """An answer, None to go on, or something to wait for that becomes one of these."""
        settings = self._settings
        if self._draining:
            return Response.of_text(503, "Server is shutting down.\n")
        request = request_of(handle)
        peer = _ffi.wsock_request_get_str(handle, _ffi.WSOCK_REQUEST_PEER_ADDRESS, None)
        upgrade = bool(_ffi.wsock_request_is_upgrade(handle))
        connection = self.make()
        connection.request = request
        connection.set_remote_address(peer.decode() if peer else "")
        if upgrade and not settings.lets_in(request.headers.get("Origin")):
            return Response.of_text(403, "Failed to open a WebSocket connection: invalid Origin header.\n")
        decided = settings.process_request(connection, request) if settings.process_request else None
        if inspect.isawaitable(decided):
            if not self.awaits:
                decided.close()  # type: ignore[attr-defined]
                raise TypeError("process_request must not be a coroutine function where there are threads")
            return self._decide_later(handle, upgrade, connection, decided)
        return decided if decided is not None else self._accept(handle, upgrade, connection)

    async def _decide_later(self, handle: int, upgrade: bool, connection: Peer, decided: Any) -> Any:
        response = await decided
        return response if response is not None else self._accept(handle, upgrade, connection)

    def _accept(self, handle: int, upgrade: bool, connection: Peer) -> Optional[Response]:
        settings = self._settings
        if not upgrade:
            return None
        try:
            chosen = self._subprotocol(connection, offered(handle))
        except NegotiationError as error:
            return Response.of_text(400, f"Failed to open a WebSocket connection: {error}.\n")
        check(_ffi.wsock_request_select_protocol(handle, None if chosen is None else c_text(chosen)))
        if settings.server_header is not None:
            check(_ffi.wsock_request_add_header(handle, b"Server", settings.server_header.encode()))
        key = request_key(_ffi.wsock_request_get_str(handle, _ffi.WSOCK_REQUEST_PEER_ADDRESS, None),
                          _ffi.wsock_request_header(handle, b"Sec-WebSocket-Key", 0, None))
        now = time.monotonic()
        self._forget_lost(now)
        self._accepted.setdefault(key, []).append((connection, now))
        return None

    def _subprotocol(self, connection: Peer, offers: Sequence[str]) -> Optional[str]:
        settings = self._settings
        if settings.select_subprotocol is not None:
            return settings.select_subprotocol(connection, offers)
        if not settings.subprotocols:
            return None
        for known in settings.subprotocols:
            if known in offers:
                return known
        raise NegotiationError("missing subprotocol" if not offers else
                               f"invalid subprotocol; expected one of {', '.join(settings.subprotocols)}")

    def _forget_lost(self, now: float) -> None:
        """Those whose client has gone between request and answer never open."""
        patience = 2 * (self._settings.open_timeout or 3600)
        for key, waiting in list(self._accepted.items()):
            if now - waiting[0][1] < patience:
                break
            del self._accepted[key]

    def _answer(self, handle: int, response: Any) -> None:
        """Whatever it is, the client is answered."""
        try:
            status = 0 if response is None else self._fill_in(handle, response)
        except Exception:
            self._failed()
            status = 500
        # Refused when the client has gone, which is fine.
        _ffi.wsock_request_answer(handle, status)

    def _fill_in(self, handle: int, response: Any) -> int:
        """Puts a response into a request, and tells the status to answer with."""
        if not isinstance(response, Response):
            raise TypeError(f"process_request must return a wsock.Response or None, not {type(response).__name__}")
        if not 200 <= response.status_code <= 599:
            raise ValueError(f"a response cannot have the status {response.status_code}: it must be from 200 to 599")
        kind = None
        for name, value in Headers(response.headers).raw_items():
            if name.lower() == "content-type":
                kind = c_text(value)
            elif name.lower() not in ("content-length", "connection", "date"):
                check(_ffi.wsock_request_add_header(handle, c_text(name), c_text(value)))
        check(_ffi.wsock_request_set_body(handle, kind, response.body, len(response.body)))
        return int(response.status_code)

    def accepted(self, handle: int) -> Peer:
        key = request_key(_ffi.wsock_conn_get_str(handle, _ffi.WSOCK_CONN_PEER_ADDRESS, None),
                          _ffi.wsock_conn_header(handle, b"Sec-WebSocket-Key", 0, None))
        waiting = self._accepted[key]
        connection, _ = waiting.pop(0)
        if not waiting:
            del self._accepted[key]
        connection.begin(handle)
        self.begin(connection)
        return connection

    # For the application

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url}>" if self._addresses else f"<{type(self).__name__}>"

    @property
    def addresses(self) -> List[Any]:
        """Where it listens, as `socket.getsockname` tells it: with the ports that were free, or the path of a Unix socket."""
        return list(self._addresses)

    @property
    def port(self) -> int:
        """The port of the first address; 0 for a Unix socket."""
        return int(_ffi.wsock_server_port(self._handles[0]))

    @property
    def url(self) -> str:
        """Where clients on this machine reach it."""
        settings = self._settings
        scheme = "wss" if settings.tls is not None else "ws"
        address = self._addresses[0]
        if not isinstance(address, tuple):
            return f"ws+unix:{address}:/"
        host = "localhost" if address[0] in ("", "*", "0.0.0.0", "::") else address[0]
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{address[1]}/"


def request_of(handle: int) -> Request:
    """A request of the library as an object."""
    method = _ffi.wsock_request_get_str(handle, _ffi.WSOCK_REQUEST_METHOD, None)
    target = _ffi.wsock_request_get_str(handle, _ffi.WSOCK_REQUEST_TARGET, None)
    return Request(target.decode(), headers_at(handle, _ffi.wsock_request_header_at), method.decode())


def offered(handle: int) -> List[str]:
    """The subprotocols that a client offers."""
    found: List[str] = []
    while True:
        protocol: Optional[bytes] = _ffi.wsock_request_protocol_at(handle, len(found))
        if protocol is None:
            return found
        found.append(protocol.decode())


def request_key(peer: Optional[bytes], key: Optional[bytes]) -> Tuple[str, str]:
    """What tells a handshake from all others at the time: who asks, and with which key."""
    return (peer or b"").decode(), (key or b"").decode()
