"""Clients and servers for threads, without asyncio."""
from .client import ClientConnection, connect, unix_connect
from .connection import Connection
from .server import Server, ServerConnection, serve, unix_serve

__all__ = ["ClientConnection", "Connection", "Server", "ServerConnection", "connect", "serve", "unix_connect", "unix_serve"]
