"""One message to many connections."""
from __future__ import annotations

from typing import Iterable, List, Union

from .._message import Message
from .._status import exception_of, last_failure
from .connection import Connection
from .. import _ffi


def broadcast(connections: Iterable[Connection], message: Union[str, bytes, bytearray, memoryview],
              raise_exceptions: bool = False) -> None:
    """Sends a message to all of these connections that are open, without waiting for any of them. It is framed once, and
    compressed once. Those whose queue is full do not get it; `raise_exceptions` tells of them with an ExceptionGroup."""
    errors: List[Exception] = []
    runner = None
    with Message(message) as made:
        for connection in connections:
            status = _ffi.wsock_conn_send_message(connection.handle, made.handle, None)
            if status >= 0:
                runner = connection._runner
                runner.flush_soon()
            elif status not in (_ffi.WSOCK_ERR_STATE, _ffi.WSOCK_ERR_INVALID_HANDLE):
                failure = last_failure()
                connection.logger.warning("skipped broadcast: %s", failure.message)
                errors.append(exception_of(failure))
    if raise_exceptions and errors:
        raise _group(errors)


def _group(errors: List[Exception]) -> Exception:
    try:
        return ExceptionGroup("skipped broadcast", errors)  # type: ignore[name-defined, unused-ignore]
    except NameError:  # Python 3.10 and older
        return errors[0]
