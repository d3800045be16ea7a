"""What can go wrong, in the tree that users of `websockets` know."""
from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Optional

if TYPE_CHECKING:
    from .http import Response

__all__ = [
    "ConcurrencyError", "ConnectionClosed", "ConnectionClosedError", "ConnectionClosedOK", "InvalidHandshake", "InvalidMessage",
    "InvalidOrigin", "InvalidProxy", "InvalidStatus", "InvalidUpgrade", "InvalidURI", "NegotiationError", "PayloadTooBig",
    "ProtocolError", "ProxyError", "SecurityError", "WebSocketException",
]

#: Close codes and what they mean (RFC 6455 section 7.4.1).
CLOSE_CODES = {
    1000: "OK",
    1001: "going away",
    1002: "protocol error",
    1003: "unsupported data",
    1005: "no status received [internal]",
    1006: "abnormal closure [internal]",
    1007: "invalid frame payload data",
    1008: "policy violation",
    1009: "message too big",
    1010: "mandatory extension",
    1011: "internal error",
    1012: "service restart",
    1013: "try again later",
    1014: "bad gateway",
    1015: "TLS failure [internal]",
}


class Close(NamedTuple):
    """Code and reason of a close frame."""

    code: int
    reason: str

    def __str__(self) -> str:
        if 3000 <= self.code < 4000:
            told = "registered"
        elif 4000 <= self.code < 5000:
            told = "private use"
        else:
            told = CLOSE_CODES.get(self.code, "unknown")
        return f"{self.code} ({told})" + (f" {self.reason}" if self.reason else "")


class WebSocketException(Exception):
    """The root of all of them."""


class ConnectionClosed(WebSocketException):
    """The connection is over.

    `rcvd` and `sent` are the close frames that went either way, None for one that did not; `rcvd_then_sent` says which came
    first, if both did. What ended it when nobody closed it is the exception's `__cause__`.
    """

    def __init__(self, rcvd: Optional[Close], sent: Optional[Close], rcvd_then_sent: Optional[bool] = None) -> None:
        self.rcvd = rcvd
        self.sent = sent
        self.rcvd_then_sent = rcvd_then_sent

    def __str__(self) -> str:
        if self.rcvd is None:
            return "no close frame received or sent" if self.sent is None else f"sent {self.sent}; no close frame received"
        if self.sent is None:
            return f"received {self.rcvd}; no close frame sent"
        if self.rcvd_then_sent:
            return f"received {self.rcvd}; then sent {self.sent}"
        return f"sent {self.sent}; then received {self.rcvd}"

    def __reduce__(self) -> tuple[type, tuple[Optional[Close], Optional[Close], Optional[bool]]]:
        return type(self), (self.rcvd, self.sent, self.rcvd_then_sent)

    @property
    def code(self) -> int:
        """The code that was received; 1006 when none was."""
        return 1006 if self.rcvd is None else self.rcvd.code

    @property
    def reason(self) -> str:
        """The reason that was received."""
        return "" if self.rcvd is None else self.rcvd.reason


class ConnectionClosedOK(ConnectionClosed):
    """Both sides said goodbye, with 1000, 1001 or no code."""


class ConnectionClosedError(ConnectionClosed):
    """It ended in any other way."""


class InvalidURI(WebSocketException):
    """That is no URI of a WebSocket."""

    def __init__(self, uri: str, msg: str) -> None:
        super().__init__(uri, msg)
        self.uri = uri
        self.msg = msg

    def __str__(self) -> str:
        return f"{self.uri} isn't a valid URI: {self.msg}"


class InvalidProxy(WebSocketException):
    """That is no URI of a proxy."""

    def __init__(self, proxy: str, msg: str) -> None:
        super().__init__(proxy, msg)
        self.proxy = proxy
        self.msg = msg

    def __str__(self) -> str:
        return f"{self.proxy} isn't a valid proxy: {self.msg}"


class InvalidHandshake(WebSocketException):
    """The opening handshake failed."""


class SecurityError(InvalidHandshake):
    """Going on would not have been safe: a redirect to a place without TLS, or one too many."""


class ProxyError(InvalidHandshake):
    """The proxy could not be reached, or refused."""


class InvalidMessage(InvalidHandshake):
    """What came is not an HTTP message of a WebSocket's handshake."""


class InvalidStatus(InvalidHandshake):
    """The server answered with another status than 101."""

    def __init__(self, response: Response) -> None:
        super().__init__(response)
        self.response = response

    def __str__(self) -> str:
        return f"server rejected WebSocket connection: HTTP {self.response.status_code:d}"


class InvalidUpgrade(InvalidHandshake):
    """A request does not ask for a WebSocket."""


class InvalidOrigin(InvalidHandshake):
    """A page of this origin may not connect."""


class NegotiationError(InvalidHandshake):
    """The two sides do not agree on a subprotocol or an extension."""


class ProtocolError(WebSocketException):
    """A rule of the protocol was broken."""


class PayloadTooBig(ProtocolError):
    """A message is larger than `max_size`."""


class ConcurrencyError(WebSocketException):
    """Two tasks or threads wait for the same thing, of which one can get it."""
