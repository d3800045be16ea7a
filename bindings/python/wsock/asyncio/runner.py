"""The native loop of an asyncio loop."""
from __future__ import annotations

import asyncio
import atexit
import collections
import gc
import os
import sys
import threading
import warnings
from typing import Any, Deque, Dict

from .._engine import new_engine
from .._inbox import Inbox

_runners: Dict[asyncio.AbstractEventLoop, Runner] = {}
#: Loops of several threads have theirs there.
_lock = threading.Lock()


#: Where so many events come at once the next are there when those are done, and asking for them at once is less than having
#: asyncio find out.
_CROWD = 8
#: Events up to which that is done, so that others have their turn.
_TURN = 256


class Runner:
    """Takes events out of an engine whenever its descriptor is readable, which covers its timers too. It lives as long as
    anything lives in the engine."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.engine = new_engine()
        self.engine.promise_flush()
        self.users = 0
        #: Connections for which something has come: whoever waits for it runs when all is told.
        self.news: Deque[Inbox] = collections.deque()
        #: What they are woken with, in place of what they have waited for.
        self._done: asyncio.Future[None] = asyncio.Future(loop=loop)
        self._done.set_result(None)
        #: What is sent now leaves soon.
        self.flushing = False
        self._fd = self.engine.fd
        loop.add_reader(self._fd, self._ready)

    @classmethod
    def current(cls) -> Runner:
        """That of the running loop."""
        loop = asyncio.get_running_loop()
        runner = _runners.get(loop)
        if runner is None:
            free_closed()
            with _lock:
                runner = _runners[loop] = cls(loop)
        return runner

    def enter(self) -> None:
        """Something lives in it."""
        self.users += 1

    def leave(self) -> None:
        """And is gone. The last one turns out the light, later: it may be told something right now."""
        self.users -= 1
        if self.users == 0:
            self.loop.call_soon(self._close_if_idle)

    def _close_if_idle(self) -> None:
        if self.users == 0 and not self.news and _runners.get(self.loop) is self:
            with _lock:
                del _runners[self.loop]
            self.loop.remove_reader(self._fd)
            self.engine.free()

    def _ready(self) -> None:
        flushing, self.flushing = self.flushing, True
        try:
            count, told = _CROWD, 0
            while count >= _CROWD and told < _TURN:
                count = self._tell()
                told += count
                if self.news:
                    self._tell_news()
                self.engine.flush()
        except BaseException:
            # Ctrl-C has come out of a task, or of what it is told: what was sent before leaves.
            self.engine.flush()
            raise
        finally:
            self.flushing = flushing
            if self.news or self.engine.has_rest:
                self.loop.call_soon(self._go_on)

    def _tell_news(self) -> None:
        news, done = self.news, self._done
        while news:
            connection = news.popleft()
            waiter, messages = connection._waiter, connection._messages
            if waiter is not None and (messages or waiter.woken):
                callbacks: Any = waiter.future._callbacks
                # There are none when it was cancelled.
                if callbacks:
                    waiter.woken = False
                    callback, context = callbacks[0]
                    waiter.future.remove_done_callback(callback)
                    context.run(callback, done)
            if messages and len(messages) > connection._high and not connection._paused:
                connection._pause()

    def _tell(self) -> int:
        try:
            return self.engine.take()
        except Exception as error:
            self.report(error)
            return 0

    def report(self, error: Exception) -> None:
        """Something has come out of a handler."""
        self.loop.call_exception_handler({"message": "exception in a WebSocket's handler", "exception": error})

    def _go_on(self) -> None:
        if _runners.get(self.loop) is self:
            self._ready()
            self._close_if_idle()

    def flush_soon(self) -> None:
        """Something was sent: it leaves when the tasks of this turn have run."""
        # Another thread's message wakes the native loop by itself.
        if not self.flushing and asyncio._get_running_loop() is self.loop:
            self.flushing = True
            self.loop.call_soon(self._flush)

    def _flush(self) -> None:
        self.flushing = False
        if _runners.get(self.loop) is self:
            self.engine.flush()

    @staticmethod
    def flush_running() -> None:
        """The same for the loop that runs on this thread, if it has an engine."""
        loop = asyncio._get_running_loop()
        if loop is not None and loop in _runners:
            _runners[loop].flush_soon()


def free_closed() -> None:
    """Loops that were closed with connections open: those end here."""
    with _lock:
        gone = [_runners.pop(loop) for loop in list(_runners) if loop.is_closed()]
    for runner in gone:
        for left in {*runner.engine.hearers.values(), *runner.engine.listeners.values()}:
            warnings.warn(f"unclosed {left!r}", ResourceWarning, source=left)
        runner.engine.free()


#: Which garbage collections look at everything, or come by everything in the long run.
_FULL = 1 if sys.version_info >= (3, 14) else 2


def _tell_dropped(phase: str, info: Dict[str, int]) -> None:
    """Python's garbage collector cannot find connections that nobody refers to any more, because the engine does."""
    if phase == "stop" and info["generation"] >= _FULL:
        for runner in list(_runners.values()):
            for hearer in runner.engine.dropped():
                hearer.dropped()


def _in_child() -> None:
    """After a fork the loops are the parent's: only copies of their descriptors are closed here, unnoticed by anybody."""
    global _lock
    _lock = threading.Lock()
    for runner in _runners.values():
        runner.engine.free()
    _runners.clear()


os.register_at_fork(after_in_child=_in_child)
atexit.register(free_closed)
gc.callbacks.append(_tell_dropped)
