"""A WebSocket connection that threads wait for."""
from __future__ import annotations

import contextlib
import threading
from types import TracebackType
from typing import Any, Callable, Iterable, Iterator, NoReturn, Optional, Type, Union

from .. import _ffi
from .._engine import Closed
from .._inbox import Inbox, Queue
from .._message import DATA, Data, DataLike, Fragments, payload_of
from .._options import c_text
from .._peer import LoggerLike
from .._status import GONE, Failure, exception_of, last_failure
from .._stream import Stream, converted
from ..exceptions import ConcurrencyError, ConnectionClosedOK
from .pump import Pump


class Pong(threading.Event):
    """Set when a pong has come. Waiting for it takes events out for everybody else meanwhile."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection

    def wait(self, timeout: Optional[float] = None) -> bool:
        connection = self._connection
        connection._pump.wait(connection._changed, lambda: self.is_set() or connection._closed is not None, timeout)
        return self.is_set()


class Connection(Inbox):
    """What clients and servers have in common. Iterate over it for messages, `send` and `recv`, and `close` it. Any thread may
    call anything."""

    def __init__(self, pump: Pump, max_queue: Queue, logger: LoggerLike) -> None:
        super().__init__(max_queue, logger)
        self._pump = pump
        self._changed = self._waiter = pump.condition()
        self._open = False
        #: How often the send queue has had room again.
        self._drains = 0
        #: Whoever receives has it.
        self._turn = threading.Lock()
        #: One message in fragments at a time.
        self._sending = threading.RLock()

    # What the engine tells, with the lock of the pump held

    def opened(self) -> None:
        super().opened()
        self._open = True
        self._changed.notify_all()

    def _wake(self) -> None:
        self._changed.notify_all()

    def drained(self) -> None:
        self._drains += 1
        self._changed.notify_all()

    def ponged(self, data: bytes) -> None:
        for pong in self._answered(data):
            pong.set()
        self._changed.notify_all()

    def closed(self, closed: Closed) -> None:
        self._closed = closed
        self._changed.notify_all()

    # For the application

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        self.close()

    def __iter__(self) -> Iterator[Data]:
        """Messages until the connection is closed; one that was lost raises `ConnectionClosedError`."""
        try:
            while True:
                yield self.recv()
        except ConnectionClosedOK:
            return

    def recv(self, timeout: Optional[float] = None, decode: Optional[bool] = None) -> Data:
        """The next message: text is a str and binary is bytes, unless `decode` says otherwise. When it does not come within
        `timeout` seconds that is a `TimeoutError`; 0 does not wait."""
        with self._receiving():
            came = self._wait(self._has_whole, timeout)
            with self._pump.lock:
                if not self._has_whole():
                    if not came:
                        raise TimeoutError(f"timed out in {timeout:.1f}s")
                    raise self.closed_exception()
                return self._take_whole(decode)

    def recv_streaming(self, decode: Optional[bool] = None) -> Iterator[Data]:
        """The next message in pieces, as they arrive, when the connection was made with `streaming`; else in one."""
        with self._receiving():
            self._pump.wait(self._changed, lambda: bool(self._messages or self._closed))
            with self._pump.lock:
                if not self._messages:
                    raise self.closed_exception()
                stream = self._take()
            if type(stream) is not Stream:
                yield converted(stream, decode)
                return
            try:
                while True:
                    while stream.parts:
                        yield converted(stream.parts.popleft(), decode)
                    with self._pump.lock:
                        if stream.done and not stream.parts:
                            return
                        if self._closed is not None and not stream.parts:
                            raise self.closed_exception()
                        if self._paused:
                            self._resume()
                    self._pump.wait(self._changed, lambda: bool(stream.parts or stream.done or self._closed))
            finally:
                stream.abandoned = True

    def _wait(self, done: Callable[[], bool], timeout: Optional[float]) -> bool:
        with self._pump.lock:
            self._joining = True
            if self._paused and self._messages and not done():
                self._resume()
        try:
            return self._pump.wait(self._changed, lambda: done() or self._closed is not None, timeout)
        finally:
            self._joining = False

    @contextlib.contextmanager
    def _receiving(self) -> Iterator[None]:
        """One thread at a time."""
        mine = False
        try:
            mine = self._turn.acquire(blocking=False)
            if not mine:
                raise ConcurrencyError("cannot call recv while another thread is already running recv or recv_streaming")
            yield
        finally:
            if mine:
                self._turn.release()

    def send(self, message: Union[DataLike, Iterable[DataLike]], text: Optional[bool] = None) -> None:
        """Sends a message: a str as text, bytes-like objects as binary, and an iterable of either in fragments.

        `text` says otherwise: True sends bytes as text, False sends a str as binary. It waits while the peer does not read
        as fast as this side writes.
        """
        if isinstance(message, DATA):
            kind, data = payload_of(message, text)
            with self._sending:
                self._until_sent(lambda: _ffi.wsock_conn_send(self.handle, kind, data, len(data), 0))
        elif isinstance(message, dict):
            raise TypeError("data is a dict-like: send a str or bytes, such as json.dumps makes")
        elif isinstance(message, Iterable):
            with self._sending:
                self._send_fragments(message, text)
        else:
            raise TypeError("data must be str, bytes, or iterable")

    def _until_sent(self, send: Any) -> None:
        """Sends, and waits for room in the queue: before, when there is none, and after, when there is little."""
        while True:
            drains = self._drains
            status = send()
            # Else it would wait for the next batch, which this thread may never fetch.
            self._pump.engine.flush()
            if status < 0 and status != _ffi.WSOCK_ERR_LIMIT:
                self._refused(last_failure())
            if status in (_ffi.WSOCK_BUFFERED, _ffi.WSOCK_ERR_LIMIT):
                self._pump.wait(self._changed, lambda: self._drains != drains or self._closed is not None)
            if status >= 0:
                return

    def _send_fragments(self, parts: Iterable[DataLike], text: Optional[bool]) -> None:
        fragments = Fragments(text)
        try:
            for part in parts:
                data = fragments.payload(part)
                self._send_part(fragments.kind, data, 0)
        except BaseException:
            if fragments.kind:
                # The message cannot be finished, and no other can follow it.
                _ffi.wsock_conn_close(self.handle, 1011 if self.is_server else 1000, b"error in fragmented message")
                self._pump.engine.flush()
            raise
        if fragments.kind:
            self._send_part(fragments.kind, b"", _ffi.WSOCK_SEND_LAST)

    def _send_part(self, kind: int, data: bytes, flags: int) -> None:
        self._until_sent(lambda: _ffi.wsock_conn_send_part(self.handle, kind, data, len(data), flags))

    def ping(self, data: Optional[DataLike] = None) -> Pong:
        """Sends a ping; the event is set when the pong has come."""
        with self._pump.lock:
            payload = self._ping_payload(data)
            pong = self._pings[payload] = Pong(self)
        if _ffi.wsock_conn_ping(self.handle, payload, len(payload)) < 0:
            failure = last_failure()
            with self._pump.lock:
                self._pings.pop(payload, None)
            self._refused(failure)
        self._pump.engine.flush()
        return pong

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Says goodbye, and waits for the other side to do so, at most `close_timeout`. Closing again does nothing but wait."""
        if self._closed is None:
            if _ffi.wsock_conn_close(self.handle, code, c_text(reason)) < 0:
                failure = last_failure()
                if failure.code not in GONE:  # it may have ended just now
                    raise exception_of(failure)
            self._pump.engine.flush()
            self._until_closed()

    def _until_closed(self) -> None:
        self._pump.wait(self._changed, lambda: self._closed is not None)

    def _refused(self, failure: Failure) -> NoReturn:
        """Nothing can be sent: as soon as it is known how it has ended, that is why."""
        if failure.code not in GONE:
            raise exception_of(failure)
        self._until_closed()
        raise self.closed_exception()
