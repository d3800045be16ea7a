"""A WebSocket connection in asyncio."""
from __future__ import annotations

import asyncio
import collections
import functools
import time
from types import TracebackType
from typing import Any, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, List, Optional, Type, Union

from .. import _ffi
from .._engine import Closed, Sink
from .._inbox import Inbox, Queue
from .._message import DATA, Data, DataLike, Fragments, payload_of
from .._options import c_text
from .._peer import LoggerLike
from .._status import GONE, check, exception_of, last_failure
from .._stream import Stream, converted
from ..exceptions import ConcurrencyError, ConnectionClosedOK
from .runner import Runner
from .waiter import Waiter


class Connection(Inbox):
    """What clients and servers have in common. Iterate over it for messages, `send` and `recv`, and `close` it."""

    def __init__(self, runner: Runner, max_queue: Queue, logger: LoggerLike) -> None:
        super().__init__(max_queue, logger)
        self._runner = runner
        self._loop = runner.loop
        #: Whoever waits for room in the send queue.
        self._senders: List[asyncio.Future[None]] = []
        #: A message that is sent in fragments; others wait for its end.
        self._fragmented: Optional[asyncio.Future[None]] = None
        self._post: Callable[[Any], Optional[int]] = _not_open
        #: For whoever receives.
        self._chair = Waiter(self._loop)
        self._ended: asyncio.Future[None] = self._loop.create_future()

    def begin(self, handle: int) -> None:
        super().begin(handle)
        self._post = self._runner.engine.poster(self)
        self._runner.enter()

    # What the engine tells

    def sink(self) -> Sink:
        # Nothing of it is written in Python.
        return collections.deque.append, self._messages, functools.partial(self._runner.news.append, self)

    def _wake(self) -> None:
        if self._waiter is not None:
            self._waiter.woken = True
            self._runner.news.append(self)

    def closed(self, closed: Closed) -> None:
        self._closed = closed
        self._wake()
        self.drained()
        for waiter, _ in self._pings.values():
            if not waiter.done():
                waiter.set_exception(self.closed_exception())
                # Nobody has to wait for a pong.
                waiter.exception()
        self._pings.clear()
        if not self._ended.done():
            self._ended.set_result(None)
        self._runner.leave()

    def drained(self) -> None:
        for sender in self._senders:
            if not sender.done():
                sender.set_result(None)
        self._senders.clear()

    def ponged(self, data: bytes) -> None:
        now = time.perf_counter()
        for waiter, sent in self._answered(data):
            if not waiter.done():
                waiter.set_result(now - sent)

    # For the application

    async def __aenter__(self) -> Connection:
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                        traceback: Optional[TracebackType]) -> None:
        await self.close()

    async def __aiter__(self) -> AsyncIterator[Data]:
        """Messages until the connection is closed; one that was lost raises `ConnectionClosedError`."""
        messages = self._messages
        try:
            while True:
                while messages and not self._paused and type(messages[0]) is not Stream:
                    yield messages.popleft()
                if messages or self._waiter is not None or self._closed is not None:
                    yield await self.recv()
                    continue
                # As _wait, without calls of Python functions.
                waiter = self._waiter = self._chair
                waiter.future._asyncio_future_blocking = True
                try:
                    await waiter.bed
                except BaseException:
                    waiter.renew()
                    raise
                finally:
                    self._waiter = None
        except ConnectionClosedOK:
            return

    async def recv(self, decode: Optional[bool] = None) -> Data:
        """The next message: text is a str and binary is bytes, unless `decode` says otherwise.

        Cancelling it loses nothing: the next call gives the same message.
        """
        while not self._has_whole():
            if self._paused and self._messages:
                self._resume()
            self._joining = True
            try:
                await self._wait()
            finally:
                self._joining = False
        return self._take_whole(decode)

    async def recv_streaming(self, decode: Optional[bool] = None) -> AsyncIterator[Data]:
        """The next message in pieces, as they arrive, when the connection was made with `streaming`; else in one."""
        while not self._messages:
            await self._wait()
        if type(self._messages[0]) is not Stream:
            yield await self.recv(decode)
            return
        stream = self._messages.popleft()
        try:
            while True:
                while stream.parts:
                    yield converted(stream.parts.popleft(), decode)
                if stream.done:
                    return
                if self._paused:
                    self._resume()
                await self._wait()
        finally:
            stream.abandoned = True

    async def _wait(self) -> None:
        """Until something has come, or the end."""
        if self._waiter is not None:
            raise ConcurrencyError("cannot call recv while another coroutine is already running recv or recv_streaming")
        if self._closed is not None:
            raise self.closed_exception()
        waiter = self._waiter = self._chair
        waiter.future._asyncio_future_blocking = True
        try:
            await waiter.bed
        except BaseException:
            waiter.renew()
            raise
        finally:
            self._waiter = None

    async def send(self, message: Union[DataLike, Iterable[DataLike], AsyncIterable[DataLike]],
                   text: Optional[bool] = None) -> None:
        """Sends a message: a str as text, bytes-like objects as binary, and an iterable of either in fragments.

        `text` says otherwise: True sends bytes as text, False sends a str as binary. It waits while the peer does not read
        as fast as this side writes.
        """
        if self._fragmented is not None:
            await self._after_fragments()
        status = self._post(message) if text is None else None
        if status is None:
            status = await self._send_other(message, text)
        if not self._runner.flushing:
            self._runner.flush_soon()
        if status != 0:
            await self._not_just_sent(status, message, text)

    async def _send_other(self, message: Any, text: Optional[bool]) -> int:
        """What is neither just a str nor just bytes."""
        if isinstance(message, DATA):
            kind, data = payload_of(message, text)
            return int(_ffi.wsock_conn_send(self.handle, kind, data, len(data), 0))
        if isinstance(message, dict):
            raise TypeError("data is a dict-like: send a str or bytes, such as json.dumps makes")
        if isinstance(message, AsyncIterable):
            await self._send_fragments(message, text)
        elif isinstance(message, Iterable):
            await self._send_fragments(_as_async(message), text)
        else:
            raise TypeError("data must be str, bytes, iterable, or async iterable")
        return 0

    async def _not_just_sent(self, status: int, message: Any, text: Optional[bool]) -> None:
        if status == _ffi.WSOCK_BUFFERED:
            await self._drain()
        elif status == _ffi.WSOCK_ERR_LIMIT:
            await self._drain()
            await self.send(message, text)
        elif status < 0:
            await self._refused()

    async def _drain(self) -> None:
        if self._closed is None:
            sender = self._loop.create_future()
            self._senders.append(sender)
            await sender

    async def _refused(self) -> None:
        failure = last_failure()
        if failure.code not in GONE:
            raise exception_of(failure)
        await asyncio.shield(self._ended)
        raise self.closed_exception()

    async def _after_fragments(self) -> None:
        while self._fragmented is not None:
            await asyncio.shield(self._fragmented)

    async def _send_fragments(self, message: AsyncIterable[DataLike], text: Optional[bool]) -> None:
        fragments = Fragments(text)
        begun = False
        try:
            async for part in message:
                data = fragments.payload(part)
                if not begun:
                    await self._after_fragments()
                    self._fragmented = self._loop.create_future()
                    begun = True
                await self._send_part(fragments.kind, data, 0)
            if begun:
                await self._send_part(fragments.kind, b"", _ffi.WSOCK_SEND_LAST)
        except BaseException:
            if begun:
                # The message cannot be finished, and no other can follow it.
                _ffi.wsock_conn_close(self.handle, 1011 if self.is_server else 1000, b"error in fragmented message")
                self._runner.flush_soon()
            raise
        finally:
            if begun:
                self._end_fragments()

    async def _send_part(self, kind: int, data: bytes, flags: int) -> None:
        status = _ffi.wsock_conn_send_part(self.handle, kind, data, len(data), flags)
        self._runner.flush_soon()
        if status == _ffi.WSOCK_BUFFERED:
            await self._drain()
        elif status == _ffi.WSOCK_ERR_LIMIT:
            await self._drain()
            await self._send_part(kind, data, flags)
        elif status < 0:
            await self._refused()

    def _end_fragments(self) -> None:
        waiter, self._fragmented = self._fragmented, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def ping(self, data: Optional[DataLike] = None) -> Awaitable[float]:
        """Sends a ping. What it returns can be awaited for the pong, and gives the seconds it took."""
        payload = self._ping_payload(data)
        if _ffi.wsock_conn_ping(self.handle, payload, len(payload)) < 0:
            await self._refused()
        self._runner.flush_soon()
        waiter: asyncio.Future[float] = self._loop.create_future()
        self._pings[payload] = (waiter, time.perf_counter())
        return waiter

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Says goodbye, and waits for the other side to do so, at most `close_timeout`. Closing again does nothing but wait."""
        if self._closed is None:
            check(_ffi.wsock_conn_close(self.handle, code, c_text(reason)))
            self._runner.flush_soon()
            await asyncio.shield(self._ended)

    async def wait_closed(self) -> None:
        """Waits until it is closed, by whoever."""
        await asyncio.shield(self._ended)


def _not_open(data: Any) -> int:
    raise RuntimeError("the connection is not open yet: process_request decides whether it will be")


async def _as_async(items: Iterable[DataLike]) -> AsyncIterator[DataLike]:
    for item in items:
        yield item
