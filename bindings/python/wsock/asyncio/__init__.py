"""Clients and servers in asyncio."""
from .._peer import State
from .broadcast import broadcast
from .client import ClientConnection, connect, process_exception, unix_connect
from .connection import Connection
from .server import Server, ServerConnection, serve, unix_serve

__all__ = ["ClientConnection", "Connection", "Server", "ServerConnection", "State", "broadcast", "connect",
           "process_exception", "serve", "unix_connect", "unix_serve"]
