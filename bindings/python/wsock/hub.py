"""Topics: messages are published to them, and connections subscribe."""
from __future__ import annotations

import ctypes
from typing import Any, Optional

from . import _ffi
from ._message import DataLike, payload_of
from ._status import check


class Hub:
    """Publishes messages by topic to the connections that have subscribed, in whatever loop or thread they are.

    A topic is a text such as "prices.eur"; "prices.*" subscribes to all that begin so, "*" to all. Any thread may use a hub.
    """

    def __init__(self) -> None:
        handle = ctypes.c_void_p()
        check(_ffi.wsock_hub_new(ctypes.byref(handle)))
        self._handle: Optional[int] = handle.value

    def subscribe(self, connection: Any, topic: str) -> None:
        """Lets a connection get what is published to a topic from now on, and first what was kept."""
        check(_ffi.wsock_hub_subscribe(self._handle, connection.handle, topic.encode()))
        flush_here()

    def unsubscribe(self, connection: Any, topic: Optional[str] = None) -> None:
        """Takes a subscription back; without a topic, all of this connection."""
        check(_ffi.wsock_hub_unsubscribe(self._handle, connection.handle, None if topic is None else topic.encode()))

    def publish(self, topic: str, message: DataLike, *, keep: bool = False,
                key: int = 0, exclude: Any = None) -> None:
        """Sends a message to every subscriber of the topic but `exclude`, without waiting for any.

        keep: whoever subscribes later gets it at once, until another is kept. key: while a message with the same key still
        waits for a slow subscriber, this one takes its place.
        """
        kind, data = payload_of(message)
        options = _ffi.wsock_publish_options(ctypes.sizeof(_ffi.wsock_publish_options))
        options.flags = _ffi.WSOCK_PUBLISH_KEEP if keep else 0
        options.key = key
        setattr(options, "except", exclude.handle if exclude is not None else None)
        check(_ffi.wsock_hub_publish(self._handle, topic.encode(), kind, data, len(data), ctypes.byref(options)))
        flush_here()

    def forget(self, topic: str) -> None:
        """Forgets the message that was kept of a topic."""
        check(_ffi.wsock_hub_forget(self._handle, topic.encode()))

    def close(self) -> None:
        """Ends the hub; nothing happens to the connections."""
        handle, self._handle = self._handle, None
        _ffi.wsock_hub_free(handle)

    def __enter__(self) -> Hub:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None:
            self.close()


def flush_here() -> None:
    """What was published leaves soon, from the asyncio loop that runs here if one does, or from what this thread waited for."""
    from .asyncio.runner import Runner
    from .sync.pump import flush_last

    Runner.flush_running()
    flush_last()
