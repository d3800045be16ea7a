"""What a task awaits until something has come for its connection."""
from __future__ import annotations

import asyncio
from typing import Awaitable, Tuple


class Bed(Tuple["asyncio.Future[None]"]):
    """Awaiting it gives the future in it to the task, done or not. A tuple's iterator does so without running any Python."""

    __slots__ = ()
    __await__ = tuple.__iter__


class Waiter:
    """A future that never is done, so that it serves again and again; a task waits for it without running any Python. Whoever
    wakes the task runs the future's callback in the same turn of the loop, where a future that is done has it scheduled for the
    next: that is worth more than all else that is done for a message."""

    __slots__ = ("_loop", "future", "bed", "woken")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        #: It is to go on although no message waits.
        self.woken = False
        self.renew()

    def renew(self) -> None:
        """After it was cancelled, which a future is once and for all."""
        self.future: asyncio.Future[None] = asyncio.Future(loop=self._loop)
        #: To be awaited, once `_asyncio_future_blocking` of the future is set.
        self.bed: Awaitable[None] = Bed((self.future,))  # type: ignore[assignment]
