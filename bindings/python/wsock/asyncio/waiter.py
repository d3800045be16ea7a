"""What a task awaits until something has come for its connection."""
from __future__ import annotations

import asyncio
import contextvars
from typing import Any, Awaitable, Callable, Optional, Tuple


class Bed(Tuple["Waiter"]):
    """Awaiting it gives the waiter in it to the task. A tuple's iterator does so without running any Python."""

    __slots__ = ()
    __await__ = tuple.__iter__


class Waiter:
    """To a task it is a future: asyncio takes whatever has `_asyncio_future_blocking` for one. But it serves again and again, and
    whoever wakes the task runs it in the same turn of the loop, where a future has it scheduled for the next: that is worth more
    than all else that is done for a message.

    A task that goes on asks what its callback is called with for the result. That is a real future, which asyncio asks without
    looking for a method."""

    __slots__ = ("_asyncio_future_blocking", "_loop", "bed", "context", "callback", "woken")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._asyncio_future_blocking = False
        self._loop = loop
        #: To be awaited, once `_asyncio_future_blocking` is set.
        self.bed: Awaitable[None] = Bed((self,))  # type: ignore[assignment]
        self.context: Any = None
        #: What makes the task go on, as long as there is one: called with a future that is done, in that context.
        self.callback: Optional[Callable[[Any], object]] = None
        #: It is to go on although no message waits.
        self.woken = False

    # For the task

    def add_done_callback(self, callback: Callable[[Any], object], *, context: Optional[contextvars.Context] = None) -> None:
        """The task waits."""
        self.callback = callback
        self.context = contextvars.copy_context() if context is None else context

    def cancel(self, msg: Any = None) -> bool:
        """Whether that makes the task go on."""
        callback, self.callback = self.callback, None
        if callback is None:
            return False
        cancelled: asyncio.Future[None] = asyncio.Future(loop=self._loop)
        if msg is None:
            cancelled.cancel()
        else:
            cancelled.cancel(msg)
        self._loop.call_soon(callback, cancelled, context=self.context)
        return True
