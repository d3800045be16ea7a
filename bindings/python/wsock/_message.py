"""What is sent: the type and bytes of a message, its fragments, and messages that are made once and sent many times."""
from __future__ import annotations

import ctypes
from typing import Any, Optional, Tuple, Union

from . import _ffi
from ._status import check

Data = Union[str, bytes]
DataLike = Union[str, bytes, bytearray, memoryview]
#: The same for isinstance.
DATA = (str, bytes, bytearray, memoryview)


def payload_of(data: Any, text: Optional[bool] = None) -> Tuple[int, bytes]:
    """Type and bytes: a str is text and what is bytes-like is binary, unless `text` says otherwise."""
    if not isinstance(data, DATA):
        raise TypeError(f"data must be str or bytes-like, not {type(data).__name__}")
    of_text = isinstance(data, str) if text is None else text
    return (_ffi.WSOCK_TEXT if of_text else _ffi.WSOCK_BINARY), data.encode() if isinstance(data, str) else bytes(data)


class Fragments:
    """Looks after a message that is sent in fragments: all of them are str, or all are bytes-like."""

    def __init__(self, text: Optional[bool]) -> None:
        #: Of the message; 0 before its first fragment.
        self.kind = 0
        self._text = text
        self._of_str = False

    def payload(self, part: Any) -> bytes:
        """The bytes of the next one."""
        if not isinstance(part, DATA):
            raise TypeError("data iterable must contain bytes or str")
        if self.kind and isinstance(part, str) != self._of_str:
            raise TypeError("data iterable must contain uniform types")
        kind, data = payload_of(part, self._text)
        if not self.kind:
            self.kind, self._of_str = kind, isinstance(part, str)
        return data


class Message:
    """A native message; a context manager that frees it."""

    def __init__(self, data: DataLike) -> None:
        kind, payload = payload_of(data)
        handle = ctypes.c_void_p()
        check(_ffi.wsock_message_new(kind, payload, len(payload), ctypes.byref(handle)))
        self.handle = handle.value

    def __enter__(self) -> Message:
        return self

    def __exit__(self, *_: Any) -> None:
        _ffi.wsock_message_free(self.handle)
