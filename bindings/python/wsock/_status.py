"""From the library's status codes to Python's exceptions."""
from __future__ import annotations

import ctypes
import socket
import ssl
from typing import NamedTuple, NoReturn

from . import _ffi
from .exceptions import InvalidHandshake, InvalidMessage, PayloadTooBig, ProtocolError, ProxyError, SecurityError


class Failure(NamedTuple):
    """What the library says about something that has failed."""

    code: int
    message: str
    os_error: int = 0
    http_status: int = 0
    close_code: int = 0


def failure_at(address: int) -> Failure:
    """The error record at this address."""
    return failure_of(_ffi.wsock_error_info.from_address(address))


def failure_of(info: _ffi.wsock_error_info) -> Failure:
    """The same of a record at hand."""
    message = info.message.decode("utf-8", "replace")
    return Failure(info.code, message, info.os_error, info.http_status, info.close_code)


def last_failure() -> Failure:
    """Of the last call on this thread that was refused."""
    info = _ffi.wsock_error_info(struct_size=ctypes.sizeof(_ffi.wsock_error_info))
    _ffi.wsock_last_error(info)
    return failure_of(info)


#: A connection that is closing, closed or broken: nothing more can be sent.
GONE = (_ffi.WSOCK_ERR_STATE, _ffi.WSOCK_ERR_INVALID_HANDLE, _ffi.WSOCK_ERR_POISONED)
TIMEOUTS = (
    _ffi.WSOCK_ERR_CONNECT_TIMEOUT,
    _ffi.WSOCK_ERR_HANDSHAKE_TIMEOUT,
    _ffi.WSOCK_ERR_PING_TIMEOUT,
    _ffi.WSOCK_ERR_CLOSE_TIMEOUT,
    _ffi.WSOCK_ERR_IDLE_TIMEOUT,
)


def exception_of(failure: Failure) -> Exception:
    """The exception that a Python programmer expects of it, with the library's words."""
    code, message = failure.code, failure.message
    if code == _ffi.WSOCK_ERR_RESOLVE:
        return socket.gaierror(socket.EAI_NONAME, message)
    if code in TIMEOUTS:
        return TimeoutError(message)
    if code == _ffi.WSOCK_ERR_CERTIFICATE:
        return ssl.SSLCertVerificationError(1, message)
    if code in (_ffi.WSOCK_ERR_TLS, _ffi.WSOCK_ERR_TLS_TRUNCATED):
        return ssl.SSLError(1, message)
    if code == _ffi.WSOCK_ERR_CONNECTION_LOST:
        # Says so itself when the system has no number for it.
        return OSError(failure.os_error, message) if failure.os_error else ConnectionError(message)
    if code == _ffi.WSOCK_ERR_TOO_BIG:
        return PayloadTooBig(message)
    if code == _ffi.WSOCK_ERR_HANDSHAKE:
        return InvalidMessage(message)
    kind = KINDS.get(code)
    if kind is not None:
        return kind(message)
    if failure.os_error or code in (_ffi.WSOCK_ERR_SYSTEM, _ffi.WSOCK_ERR_CONNECT):
        return OSError(failure.os_error, message) if failure.os_error else OSError(message)
    return RuntimeError(message)


KINDS: dict[int, type[Exception]] = {
    _ffi.WSOCK_ERR_INVALID_ARGUMENT: ValueError,
    _ffi.WSOCK_ERR_UNSUPPORTED: ValueError,
    _ffi.WSOCK_ERR_PROXY: ProxyError,
    _ffi.WSOCK_ERR_NO_MEMORY: MemoryError,
    _ffi.WSOCK_ERR_REDIRECT: SecurityError,
    _ffi.WSOCK_ERR_HTTP_STATUS: InvalidHandshake,
    _ffi.WSOCK_ERR_PROTOCOL: ProtocolError,
    _ffi.WSOCK_ERR_INVALID_DATA: ProtocolError,
    _ffi.WSOCK_ERR_POLICY: ProtocolError,
    _ffi.WSOCK_ERR_ABORTED: ConnectionAbortedError,
}


def refused() -> NoReturn:
    """Raises what the last call on this thread was refused for."""
    raise exception_of(last_failure())


def check(status: int) -> int:
    """The answer of a call, or an exception when it was refused."""
    if status < 0:
        refused()
    return status
