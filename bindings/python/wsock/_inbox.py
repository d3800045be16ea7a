"""A connection whose messages wait until somebody takes them, and that stops reading when too many do."""
from __future__ import annotations

import collections
import os
from typing import Any, Deque, Dict, List, Optional, Tuple, Union

from . import _ffi
from ._engine import Sink
from ._message import Data, DataLike, payload_of
from ._peer import LoggerLike, Peer
from ._stream import Stream, converted
from .exceptions import ConcurrencyError

#: `max_queue`: how many may wait; or that and how many may be left when it reads again. None for any number.
Queue = Union[int, None, Tuple[Optional[int], Optional[int]]]


class Inbox(Peer):
    """See the module. Who waits, and how, is for those who make something of it."""

    def __init__(self, max_queue: Queue, logger: LoggerLike) -> None:
        super().__init__(logger)
        high, low = max_queue if isinstance(max_queue, tuple) else (max_queue, None)
        if high is not None and high < 0:
            raise ValueError(f"max_queue must not be negative; it is {high}")
        #: Whole ones, and with `streaming` such that still arrive.
        self._messages: Deque[Any] = collections.deque()
        self._incoming: Optional[Stream] = None
        self._high = float("inf") if high is None else high
        self._low = float("inf") if high is None else high // 4 if low is None else low
        self._paused = False
        #: Somebody waits for a whole message, and cannot make the peer wait before it is there.
        self._joining = False
        #: Who has to be told when something comes; None for nobody.
        self._waiter: Any = None
        #: Whoever waits for a pong, by what it will bring back.
        self._pings: Dict[bytes, Any] = {}

    def _wake(self) -> None:
        """Something has come for the waiter."""
        raise NotImplementedError

    def sink(self) -> Sink:
        return collections.deque.append, self._messages, self._arrived

    def _arrived(self) -> None:
        """There are more messages."""
        if self._waiter is not None:
            self._wake()
        if len(self._messages) > self._high and not self._paused:
            self._pause()

    def received_part(self, kind: int, data: bytes, last: bool) -> None:
        stream = self._incoming
        if stream is None:
            stream = self._incoming = Stream(kind == _ffi.WSOCK_TEXT and not self.text_as_bytes)
            self._messages.append(stream)
        stream.add(data, last)
        if last:
            self._incoming = None
        if self._waiter is not None:
            self._wake()
        if len(stream.parts) > self._high and not self._paused and not self._joining:
            self._pause()

    def _pause(self) -> None:
        self._paused = True
        _ffi.wsock_conn_pause(self.handle)

    def _resume(self) -> None:
        self._paused = False
        _ffi.wsock_conn_resume(self.handle)

    def _has_whole(self) -> bool:
        messages = self._messages
        return bool(messages) and (type(messages[0]) is not Stream or messages[0].done)

    def _take(self) -> Any:
        """The first, whole or not. It reads again when few are left."""
        message = self._messages.popleft()
        if self._paused and len(self._messages) <= self._low:
            self._resume()
        return message

    def _take_whole(self, decode: Optional[bool]) -> Data:
        message = self._take()
        return converted(message.joined() if type(message) is Stream else message, decode)

    def _ping_payload(self, data: Optional[DataLike]) -> bytes:
        """What no other ping carries that is not answered yet."""
        if data is None:
            payload = os.urandom(4)
            while payload in self._pings:
                payload = os.urandom(4)
            return payload
        _, payload = payload_of(data)
        if payload in self._pings:
            raise ConcurrencyError("already waiting for a pong with the same data")
        return payload

    def _answered(self, data: bytes) -> List[Any]:
        """Those whom a pong answers: of its own ping and all before it (RFC 6455 section 5.5.3)."""
        if data not in self._pings:
            return []
        known = list(self._pings)
        return [self._pings.pop(ping) for ping in known[: known.index(data) + 1]]
