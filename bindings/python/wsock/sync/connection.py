"""A WebSocket connection that threads wait for."""
from __future__ import annotations

import collections
import contextlib
import os
import threading
from types import TracebackType
from typing import Any, Callable, Deque, Dict, Iterable, Iterator, Optional, Tuple, Type, Union

from .. import _ffi
from .._engine import Closed
from .._peer import LoggerLike, Peer
from .._status import exception_of, last_failure
from .._stream import Stream, converted
from ..exceptions import ConcurrencyError, ConnectionClosedOK
from .pump import Pump

Data = Union[str, bytes]
DataLike = Union[str, bytes, bytearray, memoryview]
Queue = Union[int, None, Tuple[Optional[int], Optional[int]]]


class Pong(threading.Event):
    """Set when a pong has come. Waiting for it takes events out for everybody else meanwhile."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection

    def wait(self, timeout: Optional[float] = None) -> bool:
        connection = self._connection
        connection._pump.wait(connection._changed, lambda: self.is_set() or connection._closed is not None, timeout)
        return self.is_set()


class Connection(Peer):
    """What clients and servers have in common. Iterate over it for messages, `send` and `recv`, and `close` it. Any thread may
    call anything."""

    def __init__(self, pump: Pump, max_queue: Queue, logger: LoggerLike) -> None:
        super().__init__(logger)
        high, low = max_queue if isinstance(max_queue, tuple) else (max_queue, None)
        if high is not None and high < 0:
            raise ValueError(f"max_queue must not be negative; it is {high}")
        self._pump = pump
        self._changed = pump.condition()
        #: Whole ones, and with `streaming` such that still arrive.
        self._messages: Deque[Any] = collections.deque()
        self._incoming: Optional[Stream] = None
        self._joining = False
        self._high = float("inf") if high is None else high
        self._low = float("inf") if high is None else high // 4 if low is None else low
        self._paused = False
        self._open = False
        #: How often the send queue has had room again.
        self._drains = 0
        #: Whoever receives has it.
        self._turn = threading.Lock()
        #: One message in fragments at a time.
        self._sending = threading.RLock()
        self._pings: Dict[bytes, Pong] = {}

    # What the engine tells, with the lock of the pump held

    def opened(self) -> None:
        super().opened()
        self._open = True
        self._changed.notify_all()

    def received(self, kind: int, data: bytes) -> None:
        self._messages.append(data.decode() if kind == 1 else data)
        self._changed.notify_all()
        if len(self._messages) > self._high and not self._paused:
            self._pause()

    def received_part(self, kind: int, data: bytes, last: bool) -> None:
        stream = self._incoming
        if stream is None:
            stream = self._incoming = Stream(kind)
            self._messages.append(stream)
        stream.add(data, last)
        if last:
            self._incoming = None
        self._changed.notify_all()
        # Whoever wants it as a whole cannot make the peer wait before that.
        if len(stream.parts) > self._high and not self._paused and not self._joining:
            self._pause()

    def _pause(self) -> None:
        self._paused = True
        _ffi.wsock_conn_pause(self.handle)

    def _resume(self) -> None:
        self._paused = False
        _ffi.wsock_conn_resume(self.handle)

    def drained(self) -> None:
        self._drains += 1
        self._changed.notify_all()

    def ponged(self, data: bytes) -> None:
        if data not in self._pings:
            return
        # A pong answers all pings before it (RFC 6455 section 5.5.3).
        for known in list(self._pings):
            self._pings.pop(known).set()
            if known == data:
                break
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
                data = self._messages.popleft()
                if self._paused and len(self._messages) <= self._low:
                    self._resume()
        return converted(data.joined() if type(data) is Stream else data, decode)

    def recv_streaming(self, decode: Optional[bool] = None) -> Iterator[Data]:
        """The next message in pieces, as they arrive, when the connection was made with `streaming`; else in one."""
        with self._receiving():
            self._pump.wait(self._changed, lambda: bool(self._messages or self._closed))
            with self._pump.lock:
                if not self._messages:
                    raise self.closed_exception()
                stream = self._messages.popleft()
                if self._paused and len(self._messages) <= self._low:
                    self._resume()
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

    def _has_whole(self) -> bool:
        messages = self._messages
        return bool(messages) and (type(messages[0]) is not Stream or messages[0].done)

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
        if isinstance(message, (str, bytes, bytearray, memoryview)):
            kind = _ffi.WSOCK_TEXT if (isinstance(message, str) if text is None else text) else _ffi.WSOCK_BINARY
            data = message.encode() if isinstance(message, str) else bytes(message)
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
            if status < 0:
                failure = last_failure()
                if failure.code in (_ffi.WSOCK_ERR_STATE, _ffi.WSOCK_ERR_INVALID_HANDLE, _ffi.WSOCK_ERR_POISONED):
                    self._pump.wait(self._changed, lambda: self._closed is not None)
                    raise self.closed_exception()
                if failure.code != _ffi.WSOCK_ERR_LIMIT:
                    raise exception_of(failure)
            if status in (_ffi.WSOCK_BUFFERED, _ffi.WSOCK_ERR_LIMIT):
                self._pump.wait(self._changed, lambda: self._drains != drains or self._closed is not None)
            if status >= 0:
                return

    def _send_fragments(self, parts: Iterable[DataLike], text: Optional[bool]) -> None:
        kind, of_text = 0, False
        try:
            for part in parts:
                if not isinstance(part, (str, bytes, bytearray, memoryview)):
                    raise TypeError("data iterable must contain bytes or str")
                if kind == 0:
                    of_text = isinstance(part, str)
                    kind = _ffi.WSOCK_TEXT if (of_text if text is None else text) else _ffi.WSOCK_BINARY
                elif isinstance(part, str) != of_text:
                    raise TypeError("data iterable must contain uniform types")
                self._send_part(kind, part.encode() if isinstance(part, str) else bytes(part), 0)
        except BaseException:
            if kind:
                # The message cannot be finished, and no other can follow it.
                _ffi.wsock_conn_close(self.handle, 1011 if self.is_server else 1000, b"error in fragmented message")
                self._pump.engine.flush()
            raise
        if kind:
            self._send_part(kind, b"", _ffi.WSOCK_SEND_LAST)

    def _send_part(self, kind: int, data: bytes, flags: int) -> None:
        self._until_sent(lambda: _ffi.wsock_conn_send_part(self.handle, kind, data, len(data), flags))

    def ping(self, data: Optional[DataLike] = None) -> Pong:
        """Sends a ping; the event is set when the pong has come."""
        if isinstance(data, str):
            payload = data.encode()
        else:
            payload = os.urandom(4) if data is None else bytes(data)
        with self._pump.lock:
            if payload in self._pings:
                raise ConcurrencyError("already waiting for a pong with the same data")
            event = Pong(self)
            self._pings[payload] = event
        if _ffi.wsock_conn_ping(self.handle, payload, len(payload)) < 0:
            failure = last_failure()
            with self._pump.lock:
                self._pings.pop(payload, None)
            if failure.code in (_ffi.WSOCK_ERR_STATE, _ffi.WSOCK_ERR_INVALID_HANDLE):
                self._pump.wait(self._changed, lambda: self._closed is not None)
                raise self.closed_exception()
            raise exception_of(failure)
        self._pump.engine.flush()
        return event

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Says goodbye, and waits for the other side to do so, at most `close_timeout`. Closing again does nothing but wait."""
        if self._closed is None:
            if _ffi.wsock_conn_close(self.handle, code, reason.encode()) < 0:
                self._refused_to_close()
            self._pump.engine.flush()
            self._pump.wait(self._changed, lambda: self._closed is not None)

    def _refused_to_close(self) -> None:
        failure = last_failure()
        # It may have ended just now.
        if failure.code not in (_ffi.WSOCK_ERR_INVALID_HANDLE, _ffi.WSOCK_ERR_POISONED):
            raise exception_of(failure)
