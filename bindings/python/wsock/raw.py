"""The fast path: your function is called with each message, and nothing is in between.

    async def main():
        async with wsock.raw.serve(lambda ws, data: ws.send(data), "127.0.0.1", 8765) as server:
            await server.serve_forever()

There are no queues, no tasks and no waiting: `on_message(connection, data)` runs in the asyncio loop as the message arrives, and
`connection.send(data)` is a plain function. What is sent inside of `on_message` leaves together when all messages that have
arrived are done; what is sent elsewhere leaves at once. An exception of `on_message` goes to the loop's exception handler, and
the next message comes nevertheless. Where a call for each is too much, `lists` and `send_many` do with one for all that have come.
"""
from __future__ import annotations

import asyncio
import logging
import socket
from types import TracebackType
from typing import Any, Callable, Iterable, List, NoReturn, Optional, Type

from . import _ffi, _many
from ._client import ClientSettings
from ._engine import Closed, Sink
from ._message import payload_of
from ._options import c_text
from ._peer import LoggerLike, Peer
from ._server import ServerSettings
from ._status import GONE, Failure, check, exception_of, last_failure
from .asyncio.lifetime import Dialling, RunningServer, Served, Serving
from .asyncio.runner import Runner
from .exceptions import ConnectionClosedError

__all__ = ["Connection", "Server", "connect", "serve"]

#: With a message, or with `lists` a list of them.
OnMessage = Callable[["Connection", Any], Any]
OnOpen = Callable[["Connection"], Any]
OnClose = Callable[["Connection", int, str], Any]
OnDrain = Callable[["Connection"], Any]


class Events:
    """Your functions."""

    def __init__(self, on_message: OnMessage, on_open: Optional[OnOpen], on_close: Optional[OnClose],
                 on_drain: Optional[OnDrain], text_as_bytes: bool, views: bool, lists: bool) -> None:
        self.message = on_message
        self.open = on_open
        self.close = on_close
        self.drain = on_drain
        self.text_as_bytes = text_as_bytes
        self.views = views
        self.lists = lists


class Connection(Peer):
    """What your functions are given. It can have attributes of yours."""

    # Python finds it faster there than among the attributes of yours, with each message.
    __slots__ = ("send",)

    #: Sends a str as text and bytes-like objects as binary. Answers 0, or 1 when the peer does not read as fast as you
    #: write: then `on_drain` says when it has caught up. A connection that is closed raises `ConnectionClosed`.
    send: Callable[[Any], int]

    def __init__(self, runner: Runner, events: Events, logger: LoggerLike) -> None:
        super().__init__(logger)
        self._runner = runner
        self._events = events
        self._open: asyncio.Future[None] = runner.loop.create_future()
        self._ended: asyncio.Future[None] = runner.loop.create_future()
        self.text_as_bytes = events.text_as_bytes
        self.views = events.views
        #: With `lists`, what was told and not yet handed over.
        self._come: List[Any] = []

    def sink(self) -> Sink:
        if self._events.lists:
            return list.append, self._come, self._hand_over
        return self._events.message, self, None

    def _hand_over(self) -> None:
        messages = self._come.copy()
        self._come.clear()
        try:
            self._events.message(self, messages)
        except Exception as error:
            self._runner.report(error)
        except BaseException as error:
            # What else was told comes before it.
            self._runner.loop.call_soon(_raise, error)

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
        self._runner.leave()
        if not self._ended.done():
            self._ended.set_result(None)
        if not self._open.done():
            self._open.set_exception(self.open_exception())
        elif self._events.close is not None:
            self._events.close(self, closed.code, closed.reason)

    def send_many(self, messages: Iterable[Any]) -> int:
        """Sends each of these as a message of its own: as so many calls of `send`, for little more than one if all are str or
        all are bytes. When one is refused, the exception's `taken` says how many before it are on their way.
        """
        if type(messages) is not list:
            messages = _many.listed(messages)
        status = taken = 0
        if len(messages) > 1:
            status, taken = _many.send(self._boxed, messages)
            if not self._runner.engine.telling:
                self._runner.engine.flush()
        # What does not go together goes alone, and then it also shows what is wrong with it.
        return status if taken == len(messages) else self._send_each(messages, taken, status)

    def _send_each(self, messages: List[Any], taken: int, status: int) -> int:
        for message in messages[taken:]:
            try:
                status = max(status, self.send(message))
            except Exception as error:
                error.taken = taken  # type: ignore[attr-defined]
                raise
            taken += 1
        return status

    def _exception_of(self, failure: Failure) -> Exception:
        return ConnectionClosedError(None, None) if failure.code in GONE else exception_of(failure)

    def _send_other(self, data: Any) -> int:
        """What is neither str nor bytes, and what was refused."""
        kind, payload = payload_of(data)
        status: int = _ffi.wsock_conn_send(self.handle, kind, payload, len(payload), 0)
        if status < 0:
            raise self._exception_of(last_failure())
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
            check(_ffi.wsock_conn_close(self.handle, code, c_text(reason)))
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


class connect(Dialling[Connection]):
    """Connects to a server: `async with connect(uri, on_message) as ws`, or `ws = await connect(uri, on_message)`.

    `settings` are those of `wsock.connect`. `text_as_bytes` gives text as the bytes that it came as. `views` gives all
    messages as memoryviews of where they were received, without a copy; the memory stays as long as you keep one, or a part of it.
    `lists` calls `on_message(connection, messages)`, once for all that have come together.
    """

    def __init__(self, uri: str, on_message: OnMessage, *, on_open: Optional[OnOpen] = None,
                 on_close: Optional[OnClose] = None, on_drain: Optional[OnDrain] = None, text_as_bytes: bool = False,
                 views: bool = False, lists: bool = False, sock: Optional[socket.socket] = None, logger: Optional[LoggerLike] = None,
                 **settings: Any) -> None:
        super().__init__(uri, ClientSettings(**settings), sock, logger or logging.getLogger("wsock.client"))
        self._events = Events(on_message, on_open, on_close, on_drain, text_as_bytes, views, lists)

    def _make(self, runner: Runner) -> Connection:
        return Connection(runner, self._events, self.logger)


class Server(RunningServer):
    """A server that runs."""

    def __init__(self, runner: Runner, events: Events, settings: ServerSettings, logger: LoggerLike) -> None:
        super().__init__(runner, settings, logger)
        self._events = events

    def make(self) -> ServerConnection:
        return ServerConnection(self, self._runner, self._events, self.logger)


class ServerConnection(Served, Connection):
    """A connection of a server."""

    def __init__(self, server: Server, runner: Runner, events: Events, logger: LoggerLike) -> None:
        super().__init__(runner, events, logger)
        self.server = server


class serve(Serving[Server]):
    """Serves: `async with serve(on_message, host, port) as server`, or `server = await serve(...)`.

    `settings` are those of `wsock.serve`; `text_as_bytes`, `views` and `lists` are as in `connect`.
    """

    def __init__(self, on_message: OnMessage, host: Any = None, port: Optional[int] = None, *, on_open: Optional[OnOpen] = None,
                 on_close: Optional[OnClose] = None, on_drain: Optional[OnDrain] = None, text_as_bytes: bool = False,
                 views: bool = False, lists: bool = False, logger: Optional[LoggerLike] = None, **settings: Any) -> None:
        self.logger = logger or logging.getLogger("wsock.server")
        self._events = Events(on_message, on_open, on_close, on_drain, text_as_bytes, views, lists)
        self._settings = ServerSettings(host, port, **settings)

    def _make_server(self, runner: Runner) -> Server:
        return Server(runner, self._events, self._settings, self.logger)


def _raise(error: BaseException) -> NoReturn:
    raise error
