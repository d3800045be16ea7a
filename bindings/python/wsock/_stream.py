"""A message that arrives in parts, for those who asked for `streaming`."""
from __future__ import annotations

import codecs
import collections
import ctypes
from typing import Any, Deque, Optional, Union

from . import _ffi


class Stream:
    """What has come of it and was not taken yet."""

    def __init__(self, is_text: bool) -> None:
        self.parts: Deque[Union[str, bytes]] = collections.deque()
        self.done = False
        #: Nobody wants the rest.
        self.abandoned = False
        self._is_text = is_text
        # A part may end within a character.
        self._decoder: Any = codecs.getincrementaldecoder("utf-8")() if is_text else None

    def add(self, data: bytes, last: bool) -> None:
        """The next part."""
        part: Union[str, bytes] = self._decoder.decode(data, last) if self._is_text else data
        if part and not self.abandoned:
            self.parts.append(part)
        self.done = last

    def joined(self) -> Union[str, bytes]:
        """All that is there."""
        parts, self.parts = self.parts, collections.deque()
        return "".join(parts) if self._is_text else b"".join(parts)  # type: ignore[arg-type]


def _never(*_: Any) -> None:
    """Events are fetched, so that nobody is called."""


_HANDLERS = _ffi.wsock_handlers(struct_size=ctypes.sizeof(_ffi.wsock_handlers))
_KINDS: Any = dict(_ffi.wsock_handlers._fields_)  # type: ignore[arg-type]
_HANDLERS.on_part = _ON_PART = _KINDS["on_part"](_never)


def handlers_for(streaming: bool) -> Optional[Any]:
    """What tells the library to give messages in parts as they arrive."""
    return ctypes.byref(_HANDLERS) if streaming else None


def converted(data: Union[str, bytes], decode: Optional[bool]) -> Union[str, bytes]:
    """A message as `decode` wants it: None as it is, True as str, False as bytes."""
    if decode is None or decode == isinstance(data, str):
        return data
    return data.decode() if isinstance(data, bytes) else data.encode()
