"""A native loop, and the telling of what happens in it to Python objects.

There are no callbacks from C: events are fetched in batches (wsock_loop_events), so that exceptions and Ctrl-C go where they
belong, and no object can be collected that the library might still call.
"""
from __future__ import annotations

import ctypes
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

_unpack = struct.Struct("=QQQQII").iter_unpack
_SIZE = 40
_NOW = ctypes.c_int32(0)
#: A number without a declared type goes as a C int.
_MOST = 2**31 - 1


def _quick(name: str) -> Callable[..., int]:
    """A call that does not wait and gets its arguments as ctypes objects or bytes: without `argtypes`, whose conversions
    take longer than the call."""
    function = getattr(_library.quick, name)
    function.restype = ctypes.c_int32
    return function  # type: ignore[no-any-return]


fetch = _quick("wsock_loop_events")
flush = _quick("wsock_loop_flush")
send_text = _quick("wsock_conn_send_text")
send_binary = _quick("wsock_conn_send_binary")


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


class Hearer:
    """Somebody who is told what happens to a connection. `received` and `raw` are looked up once, when it is added."""

    handle: int
    #: Who hears messages in place of `received`, and what it is given before each: `handler(first, data)`.
    raw: Optional[Tuple[Callable[[Any, Any], Any], Any]] = None
    #: It is given text as bytes, too; or views of where messages were received.
    raw_bytes = raw_views = False

    def received(self, kind: int, data: bytes) -> None:
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
        #: Where whole messages go straight to, of all but those who want views.
        self._sinks: Dict[int, Callable[[int, bytes], Any]] = {}
        self.hearers: Dict[int, Hearer] = {}
        self.listeners: Dict[int, Listener] = {}
        self._telling = False
        #: What is left of a batch out of which an exception has come.
        self._rest: Optional[Iterator[Tuple[int, ...]]] = None

    def add(self, hearer: Hearer) -> None:
        """From now on it is told what happens to its connection."""
        self.hearers[hearer.handle] = hearer
        if not hearer.raw_views:
            self._sinks[hearer.handle] = hearer.received if hearer.raw is None else _raw_sink(hearer)

    def listen(self, handle: int, listener: Listener) -> None:
        """The same for a server."""
        self.listeners[handle] = listener

    @property
    def fd(self) -> int:
        """Readable when there is something to take."""
        return check(_ffi.wsock_loop_fd(self.handle))

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
            self._rest = _unpack(self._view[: _SIZE * count])
        elif count < 0:
            refused()
        return count

    def tell(self) -> None:
        """Tells what `wait` has found."""
        if self._rest is not None:
            self._telling = True
            try:
                self._tell_all(self._rest, self._sinks)
                self._rest = None
            finally:
                self._telling = False

    def _tell_all(self, batch: Iterator[Tuple[int, ...]], sinks: Dict[int, Callable[[int, bytes], Any]]) -> None:
        for handle, _, data, length, kind, code in batch:
            if kind <= 2 and code == 3 and handle in sinks:
                sinks[handle](kind, MEMORY[data : data + length])
            else:
                self._tell_other(handle, data, length, kind, code)

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
        elif kind <= 2 and code == 3 and hearer.raw_views:
            self._tell_view(hearer, data, length)
        elif kind <= 2 and code == 3:
            self._sinks[handle](kind, MEMORY[data : data + length])
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

    def _tell_view(self, hearer: Hearer, data: int, length: int) -> None:
        assert hearer.raw is not None
        handler, first = hearer.raw
        memory = (ctypes.c_char * length).from_address(data)
        try:
            handler(first, memoryview(memory).cast("B").toreadonly())
        finally:
            # Who keeps it, or a part of it, keeps the message: its memory is another's soon, else.
            if sys.getrefcount(memory) > 2:
                message = ctypes.c_void_p()
                check(_ffi.wsock_conn_retain(hearer.handle, data, ctypes.byref(message)))
                weakref.finalize(memory, _ffi.wsock_message_free, message.value)

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
        # Somebody with as many references as the engine keeps: to it, and to its method.
        probe = Hearer()
        kept = (probe, probe.received)
        hearers = [probe, *self.hearers.values()]
        del probe
        counts = [sys.getrefcount(hearer) for hearer in hearers]
        del kept
        return [hearer for hearer, count in zip(hearers, counts) if count == counts[0]][1:]

    def remove(self, handle: int) -> None:
        """Its connection is gone."""
        del self.hearers[handle]
        self._sinks.pop(handle, None)

    def sender(self, hearer: Hearer, other: Callable[[Any], int]) -> Callable[[Any], int]:
        """What sends str as text and bytes as binary; `other` does what is neither, and what is refused. Outside of telling,
        what is sent leaves at once."""
        post = self.poster(hearer)

        def send(data: Any) -> int:
            status = post(data)
            if status is None or status < 0:
                return other(data)
            if not self._telling:
                flush(self._boxed)
            return status

        return send

    def poster(self, hearer: Hearer) -> Callable[[Any], Optional[int]]:
        """What sends so, too, but leaves with the next flush: it answers a status, or None for other kinds of data."""
        boxed = ctypes.c_void_p(hearer.handle)

        def post(data: Any) -> Optional[int]:
            if type(data) is bytes:
                return send_binary(boxed, data, len(data)) if len(data) <= _MOST else None
            if type(data) is str:
                text = data.encode()
                return send_text(boxed, text, len(text)) if len(text) <= _MOST else None
            return None

        return post

    def flush(self) -> None:
        """What was sent since the last batch leaves now."""
        flush(self._boxed)

    def free(self) -> None:
        """Ends everything in it at once, without telling anybody."""
        self._rest = None
        self.hearers.clear()
        self._sinks.clear()
        self.listeners.clear()
        check(_ffi.wsock_loop_free(self.handle))


def _raw_sink(hearer: Hearer) -> Callable[[int, bytes], Any]:
    assert hearer.raw is not None
    handler, first = hearer.raw
    if hearer.raw_bytes:
        return lambda kind, data: handler(first, data)
    return lambda kind, data: handler(first, data.decode() if kind == 1 else data)


class GluedEngine(Engine):
    """The same with the glue: what is done for each message is done by builtin functions."""

    def __init__(self, capacity: int = 256) -> None:
        super().__init__(capacity)
        assert _glue.make is not None
        self._loop = _glue.Loop(self.handle, ctypes.addressof(self._array), self._tell_other, 0, 0, 0)
        self._address = ctypes.addressof(self._loop)
        self._take, self._wait, self._tell, self._flush = (
            _glue.make(which, self._address) for which in (_glue.TAKE, _glue.WAIT, _glue.TELL, _glue.FLUSH))
        #: What user words are the addresses of.
        self._heard: Dict[int, Any] = {}

    def add(self, hearer: Hearer) -> None:
        super().add(hearer)
        if hearer.raw_views:
            return
        if hearer.raw is None:
            how, heard = _glue.CALL, self._sinks[hearer.handle]
        else:
            how, heard = (_glue.RAW_BYTES if hearer.raw_bytes else _glue.RAW), hearer.raw  # type: ignore[assignment]
        self._heard[hearer.handle] = heard
        check(_ffi.wsock_conn_set_user_data(hearer.handle, id(heard) | how, _NO_RELEASE))

    def remove(self, handle: int) -> None:
        super().remove(handle)
        self._heard.pop(handle, None)

    def free(self) -> None:
        # Nothing of the last batch is told from memory that is gone.
        self._loop.count = self._loop.at = 0
        super().free()
        self._heard.clear()

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
        return _glue.make(_glue.SEND, (self._address, hearer.handle, other))  # type: ignore[no-any-return]

    def poster(self, hearer: Hearer) -> Callable[[Any], Optional[int]]:
        assert _glue.make is not None
        return _glue.make(_glue.POST, hearer.handle)  # type: ignore[no-any-return]


_NO_RELEASE = _ffi.wsock_conn_set_user_data.argtypes[2]()  # type: ignore[attr-defined]


def new_engine() -> Engine:
    """The fastest that works here."""
    return GluedEngine() if _glue.make is not None else Engine()
