"""Many messages in one call of the library."""
from __future__ import annotations

import array
import ctypes
from typing import Any, Iterable, List, Tuple

from . import _ffi
from ._engine import MOST, quick
from ._message import DATA

_send = quick("wsock_conn_send_many")
_LENS = next(code for code in "LQI" if array.array(code).itemsize == ctypes.sizeof(ctypes.c_size_t))


def listed(messages: Iterable[Any]) -> List[Any]:
    """A list of them."""
    if isinstance(messages, DATA):
        raise TypeError(f"messages must be a list of them, not one {type(messages).__name__}")
    return messages if isinstance(messages, list) else list(messages)


def send(boxed: ctypes.c_void_p, messages: List[Any]) -> Tuple[int, int]:
    """Sends messages that are all str, or all bytes-like, up to the first that is refused: the status, and how many were
    taken. None are when they are anything else.
    """
    try:
        lens = array.array(_LENS, map(len, messages))
        if type(messages[0]) is str:
            kind, data = _ffi.WSOCK_TEXT, "".join(messages).encode()
            if sum(lens) != len(data):
                lens = array.array(_LENS, [len(message.encode()) for message in messages])
        else:
            kind, data = _ffi.WSOCK_BINARY, b"".join(messages)
    except (TypeError, UnicodeEncodeError):
        return 0, 0
    if len(data) > MOST or len(lens) > MOST:
        return 0, 0
    taken = ctypes.c_size_t()
    # The lengths of views whose elements are more than a byte do not add up, and so none are taken.
    status = _send(boxed, kind, data, len(data), ctypes.c_void_p(lens.buffer_info()[0]), len(lens), 0, ctypes.byref(taken))
    return status, taken.value
