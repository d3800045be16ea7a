"""WebSocket client and server, by libwsock.

    async with wsock.connect("ws://127.0.0.1:8765/") as ws:
        await ws.send("Hello!")
        print(await ws.recv())

`connect` and `serve` are for asyncio, and at home for whoever knows `websockets`. `wsock.sync` is the same with threads and
without asyncio, `wsock.WebSocket` is the browser's, `wsock.raw` is the fast path.
"""
from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, List

from . import exceptions
from ._version import VERSION as __version__
from .exceptions import *  # noqa: F403

if TYPE_CHECKING:
    from . import raw, sync
    from ._options import TLS
    from .asyncio import (ClientConnection, Connection, Server, ServerConnection, State, connect, serve, unix_connect,
                          unix_serve)
    from .asyncio.broadcast import broadcast
    from .http import Headers, HeadersLike, Request, Response
    from .hub import Hub
    from .whatwg import WebSocket

#: Names and the modules they are in, which are loaded when somebody asks for the first of them: a program with threads has no
#: use for asyncio, and that takes twice as long as all else.
_HOMES = {
    "asyncio": ("ClientConnection", "Connection", "Server", "ServerConnection", "State", "broadcast", "connect", "serve",
                "unix_connect", "unix_serve"),
    "http": ("Headers", "HeadersLike", "Request", "Response"),
    "hub": ("Hub",),
    "whatwg": ("WebSocket",),
    "_options": ("TLS",),
    "raw": (),
    "sync": (),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name == home:
            return importlib.import_module("." + home, __name__)
        if name in names:
            found = globals()[name] = getattr(importlib.import_module("." + home, __name__), name)
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> List[str]:
    return sorted({*globals(), *__all__, *(home for home in _HOMES if home[0] != "_")})


__all__ = [
    "ClientConnection", "Connection", "Headers", "HeadersLike", "Hub", "Request", "Response", "Server", "ServerConnection",
    "State", "TLS", "WebSocket", "__version__", "broadcast", "connect", "raw", "serve", "sync", "unix_connect",
    "unix_serve",
]
__all__ += exceptions.__all__
