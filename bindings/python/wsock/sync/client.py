"""Connecting to a server, for threads."""
from __future__ import annotations

import logging
import os
import socket
import warnings
from typing import Any, Callable, Optional, Sequence, Tuple, Union

from .._client import USER_AGENT, ClientSettings, unix_socket
from .._inbox import Queue
from .._options import Path, WriteLimit
from .._peer import LoggerLike
from ..http import HeadersLike, Request
from .connection import Connection
from .pump import Pump


class ClientConnection(Connection):
    """The client's side of a connection; `connect` makes one."""

    def close(self, code: int = 1000, reason: str = "") -> None:
        try:
            super().close(code, reason)
        finally:
            if self._closed is not None:
                self._pump.free()

    def __del__(self) -> None:
        pump = getattr(self, "_pump", None)
        if pump is not None and not pump.freed:
            if self.handle:
                warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self)
            pump.free()


def connect(
    uri: str,
    *,
    sock: Optional[socket.socket] = None,
    ssl: Any = None,
    server_hostname: Optional[str] = None,
    origin: Optional[str] = None,
    subprotocols: Optional[Sequence[str]] = None,
    compression: Optional[str] = "deflate",
    additional_headers: Optional[HeadersLike] = None,
    extra_headers: Optional[HeadersLike] = None,
    user_agent_header: Optional[str] = USER_AGENT,
    proxy: Union[str, bool, None] = True,
    open_timeout: Optional[float] = 10,
    ping_interval: Optional[float] = 20,
    ping_timeout: Optional[float] = 20,
    close_timeout: Optional[float] = 10,
    max_size: Optional[int] = 2**20,
    max_queue: Queue = 16,
    write_limit: WriteLimit = 2**15,
    logger: Optional[LoggerLike] = None,
    create_connection: Optional[Callable[..., ClientConnection]] = None,
    local_addr: Optional[Tuple[str, int]] = None,
    streaming: bool = False,
    text_as_bytes: bool = False,
) -> ClientConnection:
    """Connects to a server: `with connect(uri) as ws`."""
    settings = ClientSettings(
        origin=origin, subprotocols=subprotocols, compression=compression, additional_headers=additional_headers,
        extra_headers=extra_headers, user_agent_header=user_agent_header, proxy=proxy, open_timeout=open_timeout,
        ping_interval=ping_interval, ping_timeout=ping_timeout, close_timeout=close_timeout, max_size=max_size,
        write_limit=write_limit, ssl=ssl, server_hostname=server_hostname, local_addr=local_addr,
        streaming=streaming, text_as_bytes=text_as_bytes,
    )
    pump = Pump()
    try:
        connection = (create_connection or ClientConnection)(pump, max_queue, logger or logging.getLogger("wsock.client"))
        connection.text_as_bytes = text_as_bytes
        with pump.lock:
            connection.begin(settings.dial(pump.engine, uri, sock))
            connection.request = Request(uri, settings.headers.copy())
            pump.engine.add(connection)
        try:
            came = pump.wait(connection._changed, lambda: connection._open or connection._closed is not None, open_timeout)
        except BaseException:
            connection.abort()
            raise
        if not came:
            raise TimeoutError("timed out during opening handshake")
        if not connection._open:
            raise connection.open_exception()
        return connection
    except BaseException:
        pump.free()
        raise


def unix_connect(path: Path, uri: str = "ws://localhost/", **settings: Any) -> ClientConnection:
    """The same over a Unix domain socket; `uri` says what to ask the server for."""
    return connect(uri, sock=unix_socket(os.fspath(path)), **settings)
