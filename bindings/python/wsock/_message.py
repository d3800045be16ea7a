"""A message that is made once and sent many times."""
from __future__ import annotations

import ctypes
from typing import Any, Union

from . import _ffi
from ._status import check


class Message:
    """A native message; a context manager that frees it."""

    def __init__(self, data: Union[str, bytes, bytearray, memoryview]) -> None:
        if isinstance(data, str):
            kind, payload = _ffi.WSOCK_TEXT, data.encode()
        elif isinstance(data, (bytes, bytearray, memoryview)):
            kind, payload = _ffi.WSOCK_BINARY, bytes(data)
        else:
            raise TypeError("data must be str or bytes-like")
        handle = ctypes.c_void_p()
        check(_ffi.wsock_message_new(kind, payload, len(payload), ctypes.byref(handle)))
        self.handle = handle.value

    def __enter__(self) -> Message:
        return self

    def __exit__(self, *_: Any) -> None:
        _ffi.wsock_message_free(self.handle)
