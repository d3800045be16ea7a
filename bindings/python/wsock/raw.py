"""The fast path: your function is called with each message, and nothing is in between.

    async def main():
        async with wsock.raw.serve(lambda ws, data: ws.send(data), "127.0.0.1", 8765) as server:
            await server.serve_forever()

There are no queues, no tasks and no waiting: `on_message(connection, data)` runs in the asyncio loop as the message arrives, and
`connection.send(data)` is a plain function. What is sent inside of `on_message` leaves together when all messages that have
arrived are done; what is sent elsewhere leaves at once. An exception of `on_message` goes to the loop's exception handler, and
the next message comes nevertheless.
"""
from __future__ import annotations

import asyncio
import logging
import socket
from types import TracebackType
from typing import Any, Callable, Generator, Optional, Set, Type, Union

from . import _ffi
from ._client import ClientSettings
from ._engine import Closed
from ._peer import LoggerLike, Peer
from ._server import Acceptor, ServerSettings
from ._status import check, exception_of, last_failure
from .asyncio.runner import Runner
from .exceptions import ConnectionClosedError
from .http import Request, Response

__all__ = ["Connection", "Server", "connect", "serve"]

Data = Union[str, bytes]
OnMessage = Callable[["Connection", Any], Any]
OnOpen = Callable[["Connection"], Any]
OnClose = Callable[["Connection", int, str], Any]
OnDrain = Callable[["Connection"], Any]


class Events:
    """Your functions."""

    def __init__(self, on_message: OnMessage, on_open: Optional[OnOpen], on_close: Optional[OnClose],
                 on_drain: Optional[OnDrain], text_as_bytes: bool, views: bool) -> None:
        self.message = on_message
        self.open = on_open
        self.close = on_close
        self.drain = on_drain
        self.text_as_bytes = text_as_bytes
        self.views = views


class Connection(Peer):
    """What your functions are given. It can have attributes of yours."""

    #: Sends a str as text and bytes-like objects as binary. Answers 0, or 1 when the peer does not read as fast as you
    #: write: then `on_drain` says when it has caught up. A connection that is closed raises `ConnectionClosed`.
    send: Callable[[Any], int]

    def __init__(self, runner: Runner, events: Events, logger: LoggerLike) -> None:
        super().__init__(logger)
        self._runner = runner
        self._events = events
        self._open: asyncio.Future[None] = runner.loop.create_future()
        self._ended: asyncio.Future[None] = runner.loop.create_future()
        self.raw = (events.message, self)
        self.raw_bytes = events.text_as_bytes
        self.raw_views = events.views

    def begin(self, handle: int) -> None:
        super().begin(handle)
        self.send = self._runner.engine.sender(self, self._send_other)
        self._runner.enter()

    def opened(self) -> None:
        super().opened()
        if not self._open.done():
            self._open.set_result(None)
        if self._events.open is not None:
            self._events.open(self)

    def drained(self) -> None:
        if self._events.drain is not None:
            self._events.drain(self)

    def closed(self, closed: Closed) -> None:
        self._closed = closed
        # It refers to the connection, as the connection does to it.
        self.send = self._send_closed
        self.raw = None
        self._runner.leave()
        if not self._ended.done():
            self._ended.set_result(None)
        if not self._open.done():
            self._open.set_exception(self.open_exception())
        elif self._events.close is not None:
            self._events.close(self, closed.code, closed.reason)

    def _send_other(self, data: Any) -> int:
        """What is neither str nor bytes, and what was refused."""
        text = isinstance(data, str)
        if not isinstance(data, (str, bytes, bytearray, memoryview)):
            raise TypeError(f"data must be str or bytes-like, not {type(data).__name__}")
        payload = data.encode() if isinstance(data, str) else bytes(data)
        kind = _ffi.WSOCK_TEXT if text else _ffi.WSOCK_BINARY
        status: int = _ffi.wsock_conn_send(self.handle, kind, payload, len(payload), 0)
        if status < 0:
            failure = last_failure()
            if failure.code in (_ffi.WSOCK_ERR_STATE, _ffi.WSOCK_ERR_INVALID_HANDLE, _ffi.WSOCK_ERR_POISONED):
                raise ConnectionClosedError(None, None)
            raise exception_of(failure)
        if not self._runner.engine.telling:
            self._runner.engine.flush()
        return status

    def _send_closed(self, data: Any) -> int:
        raise self.closed_exception()

    @property
    def buffered_amount(self) -> int:
        """Bytes that were sent and wait for the network."""
        return int(_ffi.wsock_conn_buffered_amount(self.handle))

    def ping(self, data: bytes = b"") -> None:
        """Sends a ping."""
        check(_ffi.wsock_conn_ping(self.handle, data, len(data)))
        self._runner.flush_soon()

    def pause(self) -> None:
        """No messages until `resume`; the peer has to wait."""
        check(_ffi.wsock_conn_pause(self.handle))

    def resume(self) -> None:
        """Messages come again."""
        check(_ffi.wsock_conn_resume(self.handle))

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Begins to say goodbye; `on_close` tells the end. Closing again does nothing."""
        if self._closed is None:
            check(_ffi.wsock_conn_close(self.handle, code, reason.encode()))
            self._runner.flush_soon()

    async def wait_closed(self) -> None:
        """Waits for the end."""
        await asyncio.shield(self._ended)

    async def __aenter__(self) -> Connection:
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                        traceback: Optional[TracebackType]) -> None:
        self.close()
        await self.wait_closed()


class connect:
    """Connects to a server: `async with connect(uri, on_message) as ws`, or `ws = await connect(uri, on_message)`.

    `settings` are those of `wsock.connect`. `text_as_bytes` gives text as the bytes that it came as. `views` gives all
    messages as memoryviews of where they were received, without a copy; the memory stays as long as you keep one, or a part of it.
    """

    def __init__(self, uri: str, on_message: OnMessage, *, on_open: Optional[OnOpen] = None,
                 on_close: Optional[OnClose] = None, on_drain: Optional[OnDrain] = None, text_as_bytes: bool = False,
                 views: bool = False, sock: Optional[socket.socket] = None, logger: Optional[LoggerLike] = None, **settings: Any) -> None:
        self.uri = uri
        self.logger = logger or logging.getLogger("wsock.client")
        self._events = Events(on_message, on_open, on_close, on_drain, text_as_bytes, views)
        self._settings = ClientSettings(**settings)
        self._sock = sock
        self._connection: Optional[Connection] = None

    async def _connect(self) -> Connection:
        runner = Runner.current()
        runner.enter()
        try:
            connection = Connection(runner, self._events, self.logger)
            connection.begin(self._settings.dial(runner.engine, self.uri, self._sock))
            connection.request = Request(self.uri, self._settings.headers.copy())
            runner.engine.add(connection)
            try:
                await asyncio.wait_for(asyncio.shield(connection._open), self._settings.open_timeout)
            except BaseException as error:
                _ffi.wsock_conn_abort(connection.handle)
                if connection._open.done():
                    connection._open.exception()
                else:
                    connection._open.cancel()
                    if isinstance(error, asyncio.TimeoutError):
                        raise TimeoutError("timed out during opening handshake") from None
                raise
            return connection
        finally:
            runner.leave()

    def __await__(self) -> Generator[Any, None, Connection]:
        return self._connect().__await__()

    async def __aenter__(self) -> Connection:
        self._connection = await self._connect()
        return self._connection

    async def __aexit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                        traceback: Optional[TracebackType]) -> None:
        assert self._connection is not None
        await self._connection.__aexit__(kind, error, traceback)


class Server(Acceptor):
    """A server that runs."""

    awaits = True

    def __init__(self, runner: Runner, events: Events, settings: ServerSettings, logger: LoggerLike) -> None:
        super().__init__(runner.engine, settings, logger)
        self._runner = runner
        self._events = events
        self._connections: Set[Connection] = set()
        self._tasks: Set[asyncio.Task[None]] = set()
        self._over: asyncio.Future[None] = runner.loop.create_future()
        runner.enter()

    def make(self) -> Connection:
        return _Accepted(self)

    def begin(self, connection: Peer) -> None:
        assert isinstance(connection, Connection)
        self._connections.add(connection)

    def later(self, waits: Any) -> None:
        task = self._runner.loop.create_task(waits)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _left(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._end_if_over()

    def _end_if_over(self) -> None:
        if self._draining and not self._connections and not self._over.done():
            for handle in self._handles:
                self._engine.listeners.pop(handle, None)
            self._over.set_result(None)
            self._runner.leave()

    @property
    def connections(self) -> Set[Connection]:
        """Those that are open now."""
        return set(self._connections)

    def close(self, code: int = 1001, reason: str = "") -> None:
        """Ends it, and its connections with this code."""
        if not self._draining:
            self.close_native(code, reason)
            self._draining = True
            self._runner.flush_soon()
            self._end_if_over()

    async def wait_closed(self) -> None:
        """Waits until all connections are closed."""
        await asyncio.shield(self._over)

    async def serve_forever(self) -> None:
        """Waits until the server is closed; being cancelled closes it."""
        try:
            await asyncio.shield(self._over)
        except asyncio.CancelledError:
            self.close()
            await self.wait_closed()
            raise

    async def __aenter__(self) -> Server:
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                        traceback: Optional[TracebackType]) -> None:
        self.close()
        await self.wait_closed()


class _Accepted(Connection):
    """A connection of a server."""

    def __init__(self, server: Server) -> None:
        super().__init__(server._runner, server._events, server.logger)
        self.server = server
        self.is_server = True

    def respond(self, status: int, text: str) -> Response:
        """An answer that refuses the connection, to be returned by `process_request`."""
        return Response.of_text(status, text)

    def closed(self, closed: Closed) -> None:
        try:
            super().closed(closed)
        finally:
            self.server._left(self)


class serve:
    """Serves: `async with serve(on_message, host, port) as server`, or `server = await serve(...)`.

    `settings` are those of `wsock.serve`; `text_as_bytes` and `views` are as in `connect`.
    """

    def __init__(self, on_message: OnMessage, host: Any = None, port: Optional[int] = None, *, on_open: Optional[OnOpen] = None,
                 on_close: Optional[OnClose] = None, on_drain: Optional[OnDrain] = None, text_as_bytes: bool = False,
                 views: bool = False, logger: Optional[LoggerLike] = None, **settings: Any) -> None:
        self.logger = logger or logging.getLogger("wsock.server")
        self._events = Events(on_message, on_open, on_close, on_drain, text_as_bytes, views)
        self._settings = ServerSettings(host, port, **settings)
        self._server: Optional[Server] = None

    async def _serve(self) -> Server:
        server = Server(Runner.current(), self._events, self._settings, self.logger)
        try:
            server.listen()
        except BaseException:
            server.close()
            raise
        return server

    def __await__(self) -> Generator[Any, None, Server]:
        return self._serve().__await__()

    async def __aenter__(self) -> Server:
        self._server = await self._serve()
        return self._server

    async def __aexit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                        traceback: Optional[TracebackType]) -> None:
        assert self._server is not None
        await self._server.__aexit__(kind, error, traceback)
