"""A native loop that threads share: whoever waits takes events out for all."""
from __future__ import annotations

import threading
import time
from typing import Callable, Optional, Set

from .. import _ffi
from .._engine import new_engine
from .._status import check


class Pump:
    """An engine whose loop has a thread of the library's own: that reads, writes and answers pings also while Python is busy.
    Python's threads take events out when they wait for something: one of them at a time, the others until it wakes them."""

    def __init__(self) -> None:
        self.engine = new_engine()
        check(_ffi.wsock_loop_start(self.engine.handle))
        #: For everything that the engine tells, and whoever waits for it.
        self.lock = threading.Lock()
        self.freed = False
        self._taking = False
        self._waiting: Set[threading.Condition] = set()

    def condition(self) -> threading.Condition:
        """For somebody to wait with."""
        return threading.Condition(self.lock)

    def wait(self, condition: threading.Condition, done: Callable[[], bool], timeout: Optional[float] = None) -> bool:
        """Waits until `done`, which is looked at with the lock held; False when time is up before."""
        until = None if timeout is None else time.monotonic() + timeout
        with self.lock:
            while not done():
                left = None if until is None else until - time.monotonic()
                if left is not None and left <= 0:
                    # What has come at the last moment counts.
                    self._take(0)
                    return done()
                if self._taking:
                    self._waiting.add(condition)
                    try:
                        condition.wait(left)
                    finally:
                        self._waiting.discard(condition)
                else:
                    self._take(-1 if left is None else max(1, int(left * 1000)))
            return True

    def _take(self, timeout_ms: int) -> None:
        if self._taking:
            return
        self._taking = True
        self.lock.release()
        try:
            # Tells nobody yet: hearers want the lock.
            ready = self.engine.wait(timeout_ms)
        finally:
            self.lock.acquire()
            self._taking = False
            # Somebody else has to go on with it, if this thread has what it came for.
            for condition in self._waiting:
                condition.notify()
                break
        if ready:
            self.engine.tell()
            self.engine.flush()

    def wakeup(self) -> None:
        """Whoever takes events out looks whether it is done."""
        _ffi.wsock_loop_wakeup(self.engine.handle)

    def free(self) -> None:
        """Ends everything in it at once, when nobody waits any more."""
        with self.lock:
            if not self.freed:
                self.freed = True
                self.engine.free()
