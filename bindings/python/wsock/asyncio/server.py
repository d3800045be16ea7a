"""Serving in asyncio."""
from __future__ import annotations

import logging
import socket
from typing import Any, Awaitable, Callable, Optional, Sequence, Union

from .. import _ffi
from .._inbox import Queue
from .._options import Path, WriteLimit
from .._peer import LoggerLike, Peer
from .._server import SERVER, Origins, ServerSettings
from ..exceptions import ConnectionClosed
from ..http import Request, Response
from .connection import Connection
from .lifetime import RunningServer, Served, Serving
from .runner import Runner

Handler = Callable[["ServerConnection"], Awaitable[None]]
ProcessRequest = Callable[["ServerConnection", Request], Union[Optional[Response], Awaitable[Optional[Response]]]]
SelectSubprotocol = Callable[["ServerConnection", Sequence[str]], Optional[str]]


class ServerConnection(Served, Connection):
    """The server's side of a connection; what a handler is given."""

    def __init__(self, server: Server, runner: Runner, max_queue: Queue, logger: LoggerLike) -> None:
        super().__init__(runner, max_queue, logger)
        self.server = server


class Server(RunningServer):
    """A server that runs; what `async with serve(...)` gives."""

    def __init__(self, runner: Runner, handler: Handler, settings: ServerSettings, max_queue: Queue, logger: LoggerLike,
                 make: Callable[..., ServerConnection]) -> None:
        super().__init__(runner, settings, logger)
        self.handler = handler
        self._max_queue = max_queue
        self._make = make

    def make(self) -> ServerConnection:
        connection = self._make(self, self._runner, self._max_queue, self.logger)
        connection.text_as_bytes = self._settings.text_as_bytes
        return connection

    def begin(self, connection: Peer) -> None:
        assert isinstance(connection, ServerConnection)
        super().begin(connection)
        self.later(self._handle(connection))

    async def _handle(self, connection: ServerConnection) -> None:
        try:
            await self.handler(connection)
        except ConnectionClosed as error:
            # The usual end of a handler that waits for messages, or sends some.
            self.logger.info("connection closed: %s", error)
            await connection.close()
        except Exception:
            self.logger.error("connection handler failed", exc_info=True)
            await connection.close(1011)
        except BaseException:
            # Cancelled: nobody waits any more.
            _ffi.wsock_conn_close(connection.handle, 1011, b"")
            self._runner.flush_soon()
            raise
        else:
            await connection.close()


class serve(Serving[Server]):
    """Serves `handler`: `async with serve(handler, host, port) as server`, or `server = await serve(...)`.

    The handler is called with each connection, which is closed when it returns.
    """

    def __init__(
        self,
        handler: Handler,
        host: Union[str, Sequence[str], None] = None,
        port: Optional[int] = None,
        *,
        origins: Optional[Origins] = None,
        subprotocols: Optional[Sequence[str]] = None,
        select_subprotocol: Optional[SelectSubprotocol] = None,
        compression: Optional[str] = "deflate",
        process_request: Optional[ProcessRequest] = None,
        server_header: Optional[str] = SERVER,
        open_timeout: Optional[float] = 10,
        ping_interval: Optional[float] = 20,
        ping_timeout: Optional[float] = 20,
        close_timeout: Optional[float] = 10,
        max_size: Optional[int] = 2**20,
        max_queue: Queue = 16,
        write_limit: WriteLimit = 2**15,
        logger: Optional[LoggerLike] = None,
        create_connection: Optional[Callable[..., ServerConnection]] = None,
        ssl: Any = None,
        sock: Optional[socket.socket] = None,
        path: Optional[Path] = None,
        backlog: int = 65535,
        reuse_port: bool = False,
        trusted_proxies: Sequence[str] = (),
        streaming: bool = False,
        text_as_bytes: bool = False,
    ) -> None:
        self.handler = handler
        self.logger = logger or logging.getLogger("wsock.server")
        self._settings = ServerSettings(
            host, port, origins=origins, subprotocols=subprotocols, select_subprotocol=select_subprotocol,
            compression=compression, process_request=process_request, server_header=server_header, open_timeout=open_timeout,
            ping_interval=ping_interval, ping_timeout=ping_timeout, close_timeout=close_timeout, max_size=max_size,
            write_limit=write_limit, ssl=ssl, sock=sock, path=path, backlog=backlog, reuse_port=reuse_port,
            trusted_proxies=trusted_proxies, streaming=streaming, text_as_bytes=text_as_bytes,
        )
        self._max_queue = max_queue
        self._make = create_connection or ServerConnection

    def _make_server(self, runner: Runner) -> Server:
        return Server(runner, self.handler, self._settings, self._max_queue, self.logger, self._make)


def unix_serve(handler: Handler, path: Optional[Path] = None, **settings: Any) -> serve:
    """Serves on a Unix domain socket."""
    return serve(handler, path=path, **settings)
