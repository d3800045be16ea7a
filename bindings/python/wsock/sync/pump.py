"""A native loop that threads share: whoever waits takes events out for all."""
from __future__ import annotations

import os
import threading
import time
import weakref
from typing import Callable, Dict, Optional

from .. import _ffi
from .._engine import new_engine
from .._status import check

#: The longest that the library waits in one go, in seconds.
LONGEST = 2**31 // 1000


#: The pump whose events a thread was the last to tell: what it sends there waits for a flush.
_last = threading.local()


def flush_last() -> None:
    """What this thread has sent leaves now."""
    pump = _last.pump() if hasattr(_last, "pump") else None
    if pump is not None and not pump.freed:
        pump.engine.flush()


class Pump:
    """An engine whose loop has a thread of the library's own: that reads, writes and answers pings also while Python is busy.
    Python's threads take events out when they wait for something: one of them at a time, the others until it wakes them."""

    def __init__(self) -> None:
        self.engine = new_engine()
        check(_ffi.wsock_loop_start(self.engine.handle))
        #: For everything that the engine tells, and whoever waits for it.
        self.lock = threading.Lock()
        self.freed = False
        self._process = os.getpid()
        self._taking = False
        #: Those who do not take, and how many threads wait with each.
        self._waiting: Dict[threading.Condition, int] = {}

    def condition(self) -> threading.Condition:
        """For somebody to wait with."""
        return threading.Condition(self.lock)

    def wait(self, condition: threading.Condition, done: Callable[[], bool], timeout: Optional[float] = None) -> bool:
        """Waits until `done`, which is looked at with the lock held; False when time is up before."""
        until = None if timeout is None else time.monotonic() + timeout
        with self.lock:
            try:
                while not done():
                    left = None if until is None else min(until - time.monotonic(), LONGEST)
                    if left is not None and left <= 0:
                        # What has come at the last moment counts.
                        self._take(0)
                        return done()
                    if self._taking:
                        self._sleep(condition, left)
                    else:
                        self._take(-1 if left is None else max(1, int(left * 1000)))
                return True
            finally:
                # Whoever leaves sees to it that somebody else goes on.
                if not self._taking:
                    for other in self._waiting:
                        other.notify()
                        break

    def _sleep(self, condition: threading.Condition, timeout: Optional[float]) -> None:
        self._waiting[condition] = self._waiting.get(condition, 0) + 1
        try:
            condition.wait(timeout)
        finally:
            self._waiting[condition] -= 1
            if not self._waiting[condition]:
                del self._waiting[condition]

    def _take(self, timeout_ms: int) -> None:
        if self._taking:
            return
        self._taking = True
        self.lock.release()
        found = 0
        try:
            # Tells nobody yet: hearers want the lock.
            found = self.engine.wait(timeout_ms)
        finally:
            self._lock_again()
            self._taking = False
        if found:
            _last.pump = weakref.ref(self)
            try:
                self.engine.tell()
            finally:
                self.engine.flush()

    def _lock_again(self) -> None:
        """Ctrl-C may come right here, and has to wait until the lock is held."""
        interrupted = None
        while True:
            try:
                self.lock.acquire()
                break
            except BaseException as error:
                interrupted = error
        if interrupted is not None:
            self._taking = False
            raise interrupted

    def wakeup(self) -> None:
        """Whoever takes events out looks whether it is done."""
        _ffi.wsock_loop_wakeup(self.engine.handle)

    def free(self) -> None:
        """Ends everything in it at once, and whoever takes events out first."""
        if os.getpid() != self._process:
            # In the child of a fork, where whoever took events out is not: only copies of descriptors are closed.
            self.freed = True
            self.engine.free()
            return
        while True:
            with self.lock:
                if self.freed:
                    return
                if not self._taking:
                    self.freed = True
                    self.engine.free()
                    return
            self.wakeup()
            time.sleep(0.001)
