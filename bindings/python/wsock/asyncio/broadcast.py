"""One message to many connections."""
from __future__ import annotations

from typing import Iterable, List

from .. import _ffi
from .._message import DataLike, Message
from .._status import GONE, exception_of, last_failure
from .connection import Connection


def broadcast(connections: Iterable[Connection], message: DataLike, raise_exceptions: bool = False) -> None:
    """Sends a message to all of these connections that are open, without waiting for any of them. It is framed once, and
    compressed once. Those whose queue is full do not get it; `raise_exceptions` tells of them with an ExceptionGroup."""
    errors: List[Exception] = []
    with Message(message) as made:
        for connection in connections:
            status = _ffi.wsock_conn_send_message(connection.handle, made.handle, None)
            if status >= 0:
                connection._runner.flush_soon()
            elif status not in GONE:
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
