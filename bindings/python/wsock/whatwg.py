"""The browser's WebSocket (https://websockets.spec.whatwg.org), in asyncio: same names, constants and rules.

    ws = wsock.WebSocket("ws://127.0.0.1:8765/", ["chat"])
    ws.onmessage = lambda event: print(event.data)

Events are told from the running asyncio loop. Text is a str; binary is bytes, or with `binaryType = "arraybuffer"` a bytearray.
"""
from __future__ import annotations

import asyncio
import logging
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Union

from . import _ffi
from ._client import ClientSettings
from ._engine import Closed
from ._message import DataLike, payload_of
from ._peer import Peer, State, text_of
from .asyncio.runner import Runner
from .exceptions import InvalidURI

__all__ = ["CloseEvent", "DOMException", "Event", "EventTarget", "MessageEvent", "WebSocket"]


class DOMException(Exception):
    """What the standard says is thrown; `name` says which: SyntaxError, InvalidStateError, InvalidAccessError."""

    def __init__(self, message: str, name: str) -> None:
        super().__init__(message)
        self.message = message
        self.name = name

    def __str__(self) -> str:
        return f"{self.name}: {self.message}"


class Event:
    """Something has happened to `target`."""

    def __init__(self, type: str, target: Optional[EventTarget] = None) -> None:
        self.type = type
        self.target = target


class ErrorEvent(Event):
    """The connection has failed. A page is not told why; a program is."""

    def __init__(self, message: str) -> None:
        super().__init__("error")
        self.message = message


class MessageEvent(Event):
    """A message has arrived."""

    def __init__(self, data: Union[str, bytes, bytearray], origin: str = "") -> None:
        super().__init__("message")
        self.data = data
        self.origin = origin
        self.lastEventId = ""


class CloseEvent(Event):
    """The connection is closed."""

    def __init__(self, code: int, reason: str, was_clean: bool) -> None:
        super().__init__("close")
        self.code = code
        self.reason = reason
        self.wasClean = was_clean


Listener = Callable[[Any], Any]


class EventTarget:
    """Somebody who can be listened to."""

    def __init__(self) -> None:
        self._listeners: Dict[str, List[Tuple[Listener, bool]]] = {}

    def addEventListener(self, type: str, callback: Listener, once: bool = False) -> None:
        """Has `callback` called with each event of this type. Adding it again changes nothing."""
        listeners = self._listeners.setdefault(type, [])
        if not any(known is callback or known == callback for known, _ in listeners):
            listeners.append((callback, once))

    def removeEventListener(self, type: str, callback: Listener) -> None:
        """Takes that back."""
        self._listeners[type] = [it for it in self._listeners.get(type, []) if it[0] != callback]

    def dispatchEvent(self, event: Event) -> bool:
        """Calls whoever listens, `on...` first. What one of them raises goes to the loop's exception handler."""
        event.target = self
        handler = getattr(self, "on" + event.type, None)
        callbacks = [] if handler is None else [handler]
        for callback, once in list(self._listeners.get(event.type, [])):
            if once:
                self.removeEventListener(event.type, callback)
            callbacks.append(callback)
        for callback in callbacks:
            try:
                callback(event)
            except Exception as error:
                asyncio.get_running_loop().call_exception_handler(
                    {"message": f"exception in a listener of {event.type!r}", "exception": error})
        return True


class WebSocket(EventTarget):
    """A connection to a server. `protocols` is a subprotocol or several; `settings` are those of `wsock.connect` that a page
    cannot set, such as `additional_headers` and `ssl`."""

    CONNECTING = 0
    OPEN = 1
    CLOSING = 2
    CLOSED = 3

    def __init__(self, url: str, protocols: Union[str, Sequence[str], None] = None, **settings: Any) -> None:
        super().__init__()
        self.onopen: Optional[Listener] = None
        self.onmessage: Optional[Listener] = None
        self.onerror: Optional[Listener] = None
        self.onclose: Optional[Listener] = None
        self._binary_type = "blob"
        self._discarded = 0
        names = [protocols] if isinstance(protocols, str) else list(protocols or ())
        if len({name.lower() for name in names}) < len(names):
            raise DOMException("a subprotocol is there twice", "SyntaxError")
        # As pages do: no redirects, no limit to what fits into memory, no end to connecting but the system's.
        settings = {"redirects": 0, "max_size": None, "open_timeout": None, **settings}
        self._runner = Runner.current()
        self._peer = _Peer(self, self._runner)
        self._runner.enter()
        try:
            made = ClientSettings(subprotocols=names, **settings)
            self._peer.begin(made.dial(self._runner.engine, url))
            self._runner.engine.add(self._peer)
        except (InvalidURI, ValueError) as error:
            raise DOMException(str(error), "SyntaxError") from None
        finally:
            self._runner.leave()
        self._url = text_of(self._peer.handle, _ffi.WSOCK_CONN_URL)

    @property
    def url(self) -> str:
        """Where it connects to."""
        return self._url

    @property
    def readyState(self) -> int:
        """CONNECTING, OPEN, CLOSING or CLOSED."""
        return self._peer.ready

    @property
    def bufferedAmount(self) -> int:
        """Bytes that were sent and wait for the network, and those that will never leave."""
        return int(_ffi.wsock_conn_buffered_amount(self._peer.handle)) + self._discarded

    @property
    def extensions(self) -> str:
        """The extensions that the server has chosen."""
        return self._peer.extensions

    @property
    def protocol(self) -> str:
        """The subprotocol that the server has chosen."""
        return self._peer.subprotocol or ""

    @property
    def binaryType(self) -> str:
        """How binary messages come: "blob" as bytes, "arraybuffer" as a bytearray. Another value changes nothing."""
        return self._binary_type

    @binaryType.setter
    def binaryType(self, value: str) -> None:
        if value in ("blob", "arraybuffer"):
            self._binary_type = value

    def send(self, data: DataLike) -> None:
        """Sends a message; what is sent after the end is only counted in bufferedAmount."""
        if self.readyState == self.CONNECTING:
            raise DOMException("the connection is not open yet", "InvalidStateError")
        kind, payload = payload_of(_scalars(data) if isinstance(data, str) else data)
        status = _ffi.wsock_conn_send(self._peer.handle, kind, payload, len(payload), 0)
        if status < 0:
            self._discarded += len(payload)
        if status == _ffi.WSOCK_ERR_LIMIT:
            # As when the buffer of a browser is full: the connection fails.
            self._peer.abort()
        self._runner.flush_soon()

    def close(self, code: Optional[int] = None, reason: Optional[str] = None) -> None:
        """Begins to say goodbye. Closing again does nothing."""
        if code is not None and code != 1000 and not 3000 <= code <= 4999:
            raise DOMException("the code must be 1000, or from 3000 to 4999", "InvalidAccessError")
        data = _scalars(reason or "").encode()
        if len(data) > 123:
            raise DOMException("the reason is longer than 123 bytes", "SyntaxError")
        if data and code is None:
            code = 1000
        if self.readyState < self.CLOSING:
            self._peer.ready = self.CLOSING
            _ffi.wsock_conn_close(self._peer.handle, code or 0, data)
            self._runner.flush_soon()

    def __repr__(self) -> str:
        return f"<WebSocket {self._url} {State(self.readyState).name}>"


def _scalars(text: str) -> str:
    """A lone surrogate is no text: the standard has it replaced."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class _Peer(Peer):
    """What hears of the connection, and makes events of it."""

    extensions = ""
    #: As far as the page has been told: messages may still wait for their turn when the end has arrived.
    ready = WebSocket.CONNECTING

    def __init__(self, owner: WebSocket, runner: Runner) -> None:
        super().__init__(logging.getLogger("wsock.client"))
        self._owner = owner
        self._runner = runner
        self._origin = ""

    def begin(self, handle: int) -> None:
        super().begin(handle)
        self._runner.enter()

    def opened(self) -> None:
        super().opened()
        self.extensions = text_of(self.handle, _ffi.WSOCK_CONN_EXTENSIONS)
        scheme, _, rest = self._owner.url.partition("://")
        self._origin = f"{scheme}://{rest.partition('/')[0]}"
        if self.ready != WebSocket.CONNECTING:
            return
        self.ready = WebSocket.OPEN
        self._owner.dispatchEvent(Event("open"))

    def received(self, message: Any) -> None:
        if self.ready != WebSocket.OPEN:
            return
        if type(message) is bytes and self._owner.binaryType == "arraybuffer":
            message = bytearray(message)
        self._owner.dispatchEvent(MessageEvent(message, self._origin))

    def closed(self, closed: Closed) -> None:
        self._closed = closed
        self.ready = WebSocket.CLOSED
        self._runner.leave()
        if self._failure is not None:
            self._owner.dispatchEvent(ErrorEvent(self._failure.message))
        # A page gets the reason of a close frame only.
        reason = closed.reason if closed.received else ""
        self._owner.dispatchEvent(CloseEvent(closed.code, reason, closed.was_clean))
