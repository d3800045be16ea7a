"""A connection, whoever waits for it: what is known about it, and what its end is told as."""
from __future__ import annotations

import ctypes
import enum
import logging
from typing import Any, Callable, Optional, Union

from . import _ffi
from ._engine import Closed, Hearer
from ._status import Failure, exception_of
from .exceptions import ConnectionClosed, ConnectionClosedError, ConnectionClosedOK, InvalidStatus
from .http import Headers, Request, Response, phrase

LoggerLike = Union[logging.Logger, "logging.LoggerAdapter[Any]"]


class State(enum.IntEnum):
    """As the browser's readyState."""

    CONNECTING = 0
    OPEN = 1
    CLOSING = 2
    CLOSED = 3


class Peer(Hearer):
    """What all kinds of connections have in common."""

    #: Of the opening handshake.
    request: Optional[Request] = None
    response: Optional[Response] = None
    subprotocol: Optional[str] = None
    is_server = False

    def __init__(self, logger: LoggerLike) -> None:
        self._id: Any = None
        self.logger = logger
        self.handle = 0
        # For calls without conversion.
        self._boxed = ctypes.c_void_p(0)
        self._failure: Optional[Failure] = None
        self._refusal: Optional[Response] = None
        self._closed: Optional[Closed] = None
        self._local_address: Any = None
        self._remote_address: Any = None

    def set_remote_address(self, text: str) -> None:
        """Who asks, before there is a connection."""
        self._remote_address = address(text)

    def abort(self) -> None:
        """Ends it at once, without saying goodbye."""
        if self._closed is None:
            _ffi.wsock_conn_abort(self.handle)

    def begin(self, handle: int) -> None:
        """It has a native connection."""
        self.handle = handle
        self._boxed = ctypes.c_void_p(handle)

    def opened(self) -> None:
        self._local_address = address_of(self.handle, _ffi.WSOCK_CONN_LOCAL_ADDRESS)
        self._remote_address = address_of(self.handle, _ffi.WSOCK_CONN_PEER_ADDRESS)
        self.subprotocol = text_of(self.handle, _ffi.WSOCK_CONN_PROTOCOL) or None
        if not self.is_server:
            self.response = Response(101, phrase(101), headers_at(self.handle, _ffi.wsock_conn_header_at))

    def failed(self, failure: Failure) -> None:
        self._failure = failure
        if failure.code == _ffi.WSOCK_ERR_HTTP_STATUS:
            headers = headers_at(self.handle, _ffi.wsock_conn_header_at)
            body = text_of(self.handle, _ffi.WSOCK_CONN_RESPONSE_BODY).encode()
            self._refusal = Response(failure.http_status, phrase(failure.http_status), headers, body)

    @property
    def id(self) -> Any:
        """A `uuid.UUID` of its own."""
        if self._id is None:
            # Takes its time to import, and is not needed mostly.
            import uuid

            self._id = uuid.uuid4()
        return self._id

    @property
    def local_address(self) -> Any:
        """Host and port of this side, as `socket.getsockname` tells them."""
        return self._local_address

    @property
    def remote_address(self) -> Any:
        """Host and port of the other side, as `socket.getpeername` tells them."""
        return self._remote_address

    @property
    def latency(self) -> float:
        """Seconds that the last ping took, there and back, yours or the library's; 0 before the first."""
        if self._closed is not None:
            return self._closed.rtt_us / 1e6
        stats = _ffi.wsock_conn_stats(ctypes.sizeof(_ffi.wsock_conn_stats))
        return stats.rtt_us / 1e6 if _ffi.wsock_conn_get_stats(self.handle, stats) == 0 else 0.0

    @property
    def state(self) -> State:
        """Where it is between connecting and closed."""
        if self._closed is not None:
            return State.CLOSED
        return State(_ffi.wsock_conn_state(self.handle)) if self.handle else State.CONNECTING

    @property
    def close_code(self) -> Optional[int]:
        """The code that it was closed with; None while it is open."""
        return self._closed.code if self._closed else None

    @property
    def close_reason(self) -> Optional[str]:
        """The reason that it was closed with; None while it is open."""
        return self._closed.reason if self._closed else None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.state.name}>"

    def closed_exception(self) -> ConnectionClosed:
        """What whoever still wants something of a closed connection is told."""
        closed = self._closed
        assert closed is not None
        clean = closed.was_clean and closed.code in (1000, 1001, 1005)
        kind = ConnectionClosedOK if clean else ConnectionClosedError
        error = kind(closed.received, closed.sent, closed.received_first)
        if self._failure is not None:
            error.__cause__ = exception_of(self._failure)
        return error

    def open_exception(self) -> Exception:
        """Why a client did not get through."""
        if self._refusal is not None:
            return InvalidStatus(self._refusal)
        if self._failure is not None:
            return exception_of(self._failure)
        return ConnectionAbortedError("the connection was given up before it was open")


def text_of(handle: int, what: int) -> str:
    """A text of a connection, WSOCK_CONN_*."""
    text: Optional[bytes] = _ffi.wsock_conn_get_str(handle, what, None)
    return "" if text is None else text.decode()


def address_of(handle: int, what: int) -> Any:
    """An address as the socket module has it: host and port, or the path of a Unix socket."""
    return address(text_of(handle, what))


def address(text: str) -> Any:
    """The same of the library's words."""
    if text.startswith("unix:"):
        return text[len("unix:"):]
    host, colon, port = text.rpartition(":")
    if not colon:
        return None
    if host.startswith("["):
        return (host[1:-1], int(port), 0, 0)
    return (host, int(port))


def headers_at(handle: int, at: Callable[..., int]) -> Headers:
    """All headers, by way of wsock_conn_header_at or wsock_request_header_at."""
    headers = Headers()
    name, value = ctypes.c_char_p(), ctypes.c_char_p()
    index = 0
    while at(handle, index, ctypes.byref(name), ctypes.byref(value)) == 0:
        assert name.value is not None and value.value is not None
        headers[name.value.decode()] = value.value.decode()
        index += 1
    return headers
