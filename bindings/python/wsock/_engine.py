"""A native loop, and the telling of what happens in it to Python objects.

There are no callbacks from C: events are fetched in batches (wsock_loop_events), so that exceptions and Ctrl-C go where they
belong, and no object can be collected that the library might still call.
"""
from __future__ import annotations

import ctypes
import operator
import struct
import sys
import weakref
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from . import _ffi, _glue, _library
from ._status import Failure, check, failure_at, refused
from .exceptions import Close

#: All of memory as one array of characters: a slice of it is a copy as bytes, in a fraction of what
#: ctypes.string_at takes.
MEMORY: Any = (ctypes.c_char * sys.maxsize).from_address(0)

_EVENT = struct.Struct("=QQQQII")
_SIZE = 40
#: What messages are told from: user, data and len, and one byte of type and code, which is quicker to make numbers of. Of what
#: is no message it may be any part of the code.
_low = "Bxxx" if sys.byteorder == "little" else "xxxB"
_unpack = struct.Struct("=8xQQQ" + 2 * _low).iter_unpack
_NOW = ctypes.c_int32.from_param(0)
#: A number without a declared type goes as a C int.
MOST = 2**31 - 1


def quick(name: str) -> Callable[..., int]:
    """A call that does not wait and gets its arguments as ctypes objects or bytes: without `argtypes`, whose conversions
    take longer than the call."""
    function = getattr(_library.quick, name)
    function.restype = ctypes.c_int32
    return function  # type: ignore[no-any-return]


fetch = quick("wsock_loop_events")
flush = quick("wsock_loop_flush")
send_text = quick("wsock_conn_send_text")
send_binary = quick("wsock_conn_send_binary")


class Closed:
    """How a connection ended."""

    __slots__ = ("code", "reason", "sent", "received", "received_first", "was_clean", "rtt_us")

    def __init__(self, info: _ffi.wsock_close_info) -> None:
        self.code: int = info.code
        self.reason: str = info.reason.decode("utf-8", "replace")
        self.was_clean = bool(info.was_clean)
        self.rtt_us: int = info.rtt_us
        self.sent: Optional[Close] = None
        if info.sent_code:
            self.sent = Close(info.sent_code, info.sent_reason.decode("utf-8", "replace"))
        # Without a close frame the code is 1006 and the reason is the library's own line.
        self.received = None if self.code == 1006 else Close(self.code, self.reason)
        self.received_first: Optional[bool] = None
        if self.sent and self.received:
            self.received_first = info.initiator == _ffi.WSOCK_BY_PEER


#: Where whole messages go: each is told as `function(first, message)`, and when those that have come together are told,
#: `arrived()` is called if there is one.
Sink = Tuple[Callable[[Any, Any], Any], Any, Optional[Callable[[], None]]]
#: The same, and whether text is decoded before.
Row = Tuple[Callable[[Any, Any], Any], Any, Optional[Callable[[], None]], bool]


class Hearer:
    """Somebody who is told what happens to a connection."""

    handle: int
    #: Text is told as the bytes that it came as: the library has seen to it that it is UTF-8.
    text_as_bytes = False
    #: Messages are told as views of where they were received.
    views = False

    def sink(self) -> Sink:
        """Looked up once, when it is added."""
        return type(self).received, self, None

    def received(self, message: Any) -> None:
        """A whole message."""

    def received_part(self, kind: int, data: bytes, last: bool) -> None:
        """The next part of a message that is streamed."""

    def opened(self) -> None:
        """The handshake is done."""

    def failed(self, failure: Failure) -> None:
        """What went wrong; `closed` follows."""

    def closed(self, closed: Closed) -> None:
        """The end."""

    def drained(self) -> None:
        """The send queue has room again."""

    def pinged(self, data: bytes) -> None:
        """A ping has come, and was answered."""

    def ponged(self, data: bytes) -> None:
        """A pong has come."""

    def dropped(self) -> None:
        """The application has let go of it, and it is still open."""


class Listener:
    """Somebody who is told what happens to a server."""

    def accepted(self, handle: int) -> Hearer:
        """A connection is open: who hears of it?"""
        raise NotImplementedError

    def asked(self, request: int) -> None:
        """A request, to be answered with wsock_request_answer."""
        raise NotImplementedError


class Engine:
    """One native loop. It is not for several threads at once."""

    def __init__(self, capacity: int = 256) -> None:
        handle = ctypes.c_void_p()
        check(_ffi.wsock_loop_new(ctypes.byref(handle)))
        assert handle.value is not None
        self.handle: int = handle.value
        self._boxed = handle
        self._array = (_ffi.wsock_event * capacity)()
        self._view = memoryview(self._array).cast("B")
        check(_ffi.wsock_loop_use_events(self.handle, self._array, _SIZE, capacity))
        #: Where whole messages go straight to, of all but those who want views, by connection.
        self._sinks: Dict[int, Row] = {}
        #: The same by user word; and which are free. 0 is nobody's.
        self._rows: List[Optional[Row]] = [None]
        self._words: Dict[int, int] = {}
        self._free: List[int] = []
        #: Those who want views.
        self._viewers: Dict[int, Sink] = {}
        self.hearers: Dict[int, Hearer] = {}
        self.listeners: Dict[int, Listener] = {}
        self._telling = False
        self._flush_ends = False
        #: Of the batch.
        self._count = 0
        #: What is left of a batch out of which an exception has come.
        self._rest: Optional[Iterator[Tuple[int, ...]]] = None

    def add(self, hearer: Hearer) -> None:
        """From now on it is told what happens to its connection."""
        self.hearers[hearer.handle] = hearer
        if hearer.views:
            self._viewers[hearer.handle] = hearer.sink()
        else:
            row = self._sinks[hearer.handle] = (*hearer.sink(), not hearer.text_as_bytes)
            check(_ffi.wsock_conn_set_user_data(hearer.handle, self._word_of(hearer.handle, row), _NO_RELEASE))

    def _word_of(self, handle: int, row: Row) -> int:
        """The user word of a connection."""
        word = self._free.pop() if self._free else len(self._rows)
        self._rows[word : word + 1] = [row]
        self._words[handle] = word
        return word

    def listen(self, handle: int, listener: Listener) -> None:
        """The same for a server."""
        self.listeners[handle] = listener

    @property
    def fd(self) -> int:
        """Readable when there is something to take."""
        return check(_ffi.wsock_loop_fd(self.handle))

    def promise_flush(self) -> None:
        """`flush` will be called after each `take`, and when something was sent besides: then the descriptor need not see to
        that."""
        check(_ffi.wsock_loop_promise_flush(self.handle, 1))
        self._flush_ends = True

    def take(self) -> int:
        """Tells what has happened up to now, without waiting. Exceptions of hearers come out of here, and the rest of what
        there is to tell is told next time."""
        count = 1 if self._rest is not None else self._found(fetch(self._boxed, _NOW))
        self.tell()
        return count

    @property
    def telling(self) -> bool:
        """Whether messages are being told, so that what is sent leaves afterwards."""
        return self._telling

    @property
    def has_rest(self) -> bool:
        """Whether an exception has left something to tell."""
        return self._rest is not None

    def wait(self, timeout_ms: int) -> int:
        """Waits until there is something to tell, with Python's lock let go; -1 waits as long as it takes. A signal ends it,
        and then the answer is 0."""
        if self._rest is not None:
            return 1
        count = _ffi.wsock_loop_events(self.handle, timeout_ms)
        return 0 if count == _ffi.WSOCK_ERR_INTERRUPTED else self._found(count)

    def _found(self, count: int) -> int:
        if count > 0:
            self._rest, self._count = _unpack(self._view[: _SIZE * count]), count
        elif count < 0:
            refused()
        return count

    def tell(self) -> None:
        """Tells what `wait` has found."""
        if self._rest is not None:
            self._telling = True
            try:
                self._tell_all(self._rest, self._count)
                self._rest = None
            finally:
                self._telling = False

    def _tell_all(self, batch: Iterator[Tuple[int, ...]], count: int) -> None:
        rows: List[Any] = self._rows
        memory = MEMORY
        #: Of the messages that were told last.
        arrived: Optional[Callable[[], None]] = None
        for word, data, length, kind, code in batch:
            if code == 3 and kind <= 2 and word:
                function, first, after, decode = rows[word]
                if after is not arrived:
                    if arrived is not None:
                        arrived()
                    arrived = after
                message = memory[data : data + length]
                function(first, message.decode() if decode and kind == 1 else message)
            else:
                if arrived is not None:
                    arrived()
                    arrived = None
                at = count - operator.length_hint(batch) - 1
                handle, _, data, length, kind, code = _EVENT.unpack_from(self._view, at * _SIZE)
                self._tell_other(handle, data, length, kind, code)
        if arrived is not None:
            arrived()

    def _tell_other(self, handle: int, data: int, length: int, kind: int, code: int) -> None:
        if kind == _ffi.WSOCK_EVENT_REQUEST:
            listener = self.listeners.get(data)
            if listener is None:
                # Its server has just ended.
                _ffi.wsock_request_answer(handle, 503)
            else:
                listener.asked(handle)
            return
        hearer = self.hearers.get(handle)
        if kind == _ffi.WSOCK_EVENT_OPEN:
            if hearer is None:
                hearer = self._accepted(handle)
                hearer.handle = handle
                self.add(hearer)
            hearer.opened()
        elif hearer is None:
            return
        elif kind <= 2 and code == 3 and hearer.views:
            self._tell_view(handle, data, length)
        elif kind <= 2 and code == 3:
            self._tell_early(handle, data, length, kind)
        elif kind <= 2:
            hearer.received_part(kind, MEMORY[data : data + length], bool(code & _ffi.WSOCK_PART_LAST))
        elif kind == _ffi.WSOCK_EVENT_CLOSE:
            self.remove(handle)
            hearer.closed(Closed(_ffi.wsock_close_info.from_address(data)))
        elif kind == _ffi.WSOCK_EVENT_ERROR:
            hearer.failed(failure_at(data))
        elif kind == _ffi.WSOCK_EVENT_DRAIN:
            hearer.drained()
        elif kind == _ffi.WSOCK_EVENT_PING:
            hearer.pinged(MEMORY[data : data + length])
        elif kind == _ffi.WSOCK_EVENT_PONG:
            hearer.ponged(MEMORY[data : data + length])

    def _tell_early(self, handle: int, data: int, length: int, kind: int) -> None:
        """A message that has come together with the handshake."""
        function, first, arrived, decode = self._sinks[handle]
        message = MEMORY[data : data + length]
        function(first, message.decode() if decode and kind == _ffi.WSOCK_TEXT else message)
        if arrived is not None:
            arrived()

    def _tell_view(self, handle: int, data: int, length: int) -> None:
        function, first, arrived = self._viewers[handle]
        memory = (ctypes.c_char * length).from_address(data)
        try:
            function(first, memoryview(memory).cast("B").toreadonly())
        finally:
            # Who keeps it, or a part of it, keeps the message: its memory is another's soon, else.
            if sys.getrefcount(memory) > 2:
                message = ctypes.c_void_p()
                check(_ffi.wsock_conn_retain(handle, data, ctypes.byref(message)))
                weakref.finalize(memory, _ffi.wsock_message_free, message.value)
        if arrived is not None:
            arrived()

    def _accepted(self, handle: int) -> Hearer:
        listener = self.listeners.get(_ffi.wsock_conn_server(handle) or 0)
        try:
            if listener is not None:
                return listener.accepted(handle)
        except Exception:
            _ffi.wsock_conn_abort(handle)
            raise
        # Its server has just ended.
        _ffi.wsock_conn_abort(handle)
        return Hearer()

    def dropped(self) -> List[Hearer]:
        """Those of whom nobody but the engine knows any more."""
        # Somebody with as many references as the engine keeps: to it, and from its sink.
        probe = Hearer()
        kept = (probe, probe.sink())
        hearers = [probe, *self.hearers.values()]
        del probe
        counts = [sys.getrefcount(hearer) for hearer in hearers]
        del kept
        return [hearer for hearer, count in zip(hearers, counts) if count == counts[0]][1:]

    def remove(self, handle: int) -> None:
        """Its connection is gone."""
        del self.hearers[handle]
        self._sinks.pop(handle, None)
        self._viewers.pop(handle, None)
        word = self._words.pop(handle, 0)
        if word:
            self._rows[word] = None
            self._free.append(word)

    def sender(self, hearer: Hearer, other: Callable[[Any], int]) -> Callable[[Any], int]:
        """What sends str as text and bytes as binary; `other` does what is neither, and what is refused. Outside of telling,
        what is sent leaves at once."""
        boxed = ctypes.c_void_p.from_param(hearer.handle)

        # As poster's, since a call of it would take a seventh of all this.
        def send(data: Any) -> int:
            size = len(data) if type(data) is bytes else MOST + 1
            if size <= MOST:
                status = send_binary(boxed, data, size)
            elif type(data) is str:
                text = data.encode()
                status = send_text(boxed, text, len(text)) if len(text) <= MOST else -1
            else:
                status = -1
            if status < 0:
                return other(data)
            if not self._telling:
                self.flush()
            return status

        return send

    def poster(self, hearer: Hearer) -> Callable[[Any], Optional[int]]:
        """What sends so, too, but leaves with the next flush: it answers a status, or None for other kinds of data."""
        # Made for a call once and for all.
        boxed = ctypes.c_void_p.from_param(hearer.handle)

        def post(data: Any) -> Optional[int]:
            if type(data) is bytes:
                return send_binary(boxed, data, len(data)) if len(data) <= MOST else None
            if type(data) is str:
                text = data.encode()
                return send_text(boxed, text, len(text)) if len(text) <= MOST else None
            return None

        return post

    def flush(self) -> None:
        """What was sent since the last batch leaves now."""
        # What is left of one to tell is over with it, else.
        if not (self._flush_ends and self._rest is not None):
            flush(self._boxed)

    def free(self) -> None:
        """Ends everything in it at once, without telling anybody."""
        self._rest = None
        self.hearers.clear()
        self._sinks.clear()
        self._viewers.clear()
        self._rows, self._words, self._free = [None], {}, []
        self.listeners.clear()
        check(_ffi.wsock_loop_free(self.handle))


class GluedEngine(Engine):
    """The same with the glue: what is done for each message is done by builtin functions."""

    def __init__(self, capacity: int = 256) -> None:
        super().__init__(capacity)
        assert _glue.make is not None
        self._loop = _glue.Loop(self.handle, ctypes.addressof(self._array), self._tell_other)
        self._address = ctypes.addressof(self._loop)
        self._take, self._wait, self._tell, self._flush = (
            _glue.make(which, self._address) for which in (_glue.TAKE, _glue.WAIT, _glue.TELL, _glue.FLUSH))

    def _word_of(self, handle: int, row: Row) -> int:
        return id(row) | (_glue.DECODE if row[3] else 0)

    def free(self) -> None:
        # Nothing of the last batch is told from memory that is gone.
        self._loop.count = self._loop.at = 0
        super().free()

    def promise_flush(self) -> None:
        super().promise_flush()
        self._loop.flush_ends = 1

    @property
    def telling(self) -> bool:
        return bool(self._loop.telling)

    @property
    def has_rest(self) -> bool:
        return bool(self._loop.at < self._loop.count)

    def take(self) -> int:
        count: int = self._take()
        if count < 0:
            refused()
        return count

    def wait(self, timeout_ms: int) -> int:
        count: int = self._wait(timeout_ms)
        if count < 0 and count != _ffi.WSOCK_ERR_INTERRUPTED:
            refused()
        return max(count, 0)

    def tell(self) -> None:
        self._tell()

    def flush(self) -> None:
        self._flush()

    def sender(self, hearer: Hearer, other: Callable[[Any], int]) -> Callable[[Any], int]:
        assert _glue.make is not None
        return _glue.make(_glue.SEND, (struct.pack("PP", self._address, hearer.handle), other))  # type: ignore[no-any-return]

    def poster(self, hearer: Hearer) -> Callable[[Any], Optional[int]]:
        assert _glue.make is not None
        return _glue.make(_glue.POST, hearer.handle)  # type: ignore[no-any-return]


_NO_RELEASE = _ffi.wsock_conn_set_user_data.argtypes[2]()  # type: ignore[attr-defined]


def new_engine() -> Engine:
    """The fastest that works here."""
    return GluedEngine() if _glue.make is not None else Engine()
