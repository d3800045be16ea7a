"""WebSocket client and server, by libwsock.

    async with wsock.connect("ws://127.0.0.1:8765/") as ws:
        await ws.send("Hello!")
        print(await ws.recv())

`connect` and `serve` are for asyncio, and at home for whoever knows `websockets`. `wsock.sync` is the same with threads and
without asyncio, `wsock.WebSocket` is the browser's, `wsock.raw` is the fast path.
"""
from . import exceptions, raw, sync
from ._options import TLS
from ._version import VERSION as __version__
from .asyncio import (ClientConnection, Connection, Server, ServerConnection, State, broadcast, connect, serve, unix_connect,
                      unix_serve)
from .exceptions import *  # noqa: F403
from .http import Headers, HeadersLike, Request, Response
from .hub import Hub
from .whatwg import WebSocket

__all__ = [
    "ClientConnection", "Connection", "Headers", "HeadersLike", "Hub", "Request", "Response", "Server", "ServerConnection",
    "State", "TLS", "WebSocket", "__version__", "broadcast", "connect", "raw", "serve", "sync", "unix_connect",
    "unix_serve",
]
__all__ += exceptions.__all__
