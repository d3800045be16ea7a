"""Serving in asyncio."""
from __future__ import annotations

import asyncio
import logging
import socket
from types import TracebackType
from typing import Any, Awaitable, Callable, Generator, Optional, Sequence, Set, Type, Union

from .. import _ffi
from .._engine import Closed
from .._options import Path, WriteLimit
from .._peer import LoggerLike, Peer
from .._server import SERVER, Acceptor, Origins, ServerSettings
from ..exceptions import ConnectionClosed
from ..http import Request, Response
from .connection import Connection, Queue
from .runner import Runner

Handler = Callable[["ServerConnection"], Awaitable[None]]
ProcessRequest = Callable[["ServerConnection", Request], Union[Optional[Response], Awaitable[Optional[Response]]]]
SelectSubprotocol = Callable[["ServerConnection", Sequence[str]], Optional[str]]


class ServerConnection(Connection):
    """The server's side of a connection; what a handler is given."""

    def __init__(self, server: Server, runner: Runner, max_queue: Queue, logger: LoggerLike) -> None:
        super().__init__(runner, max_queue, logger)
        self.server = server
        self.is_server = True

    def respond(self, status: int, text: str) -> Response:
        """An answer that refuses the connection, to be returned by `process_request`."""
        return Response.of_text(status, text)

    def closed(self, closed: Closed) -> None:
        super().closed(closed)
        self.server._left(self)


class Server(Acceptor):
    """A server that runs; what `async with serve(...)` gives."""

    awaits = True

    def __init__(self, runner: Runner, handler: Handler, settings: ServerSettings, max_queue: Queue, logger: LoggerLike,
                 make: Callable[..., ServerConnection]) -> None:
        super().__init__(runner.engine, settings, logger)
        self.handler = handler
        self._runner = runner
        self._loop = runner.loop
        self._max_queue = max_queue
        self._make = make
        self._connections: Set[ServerConnection] = set()
        self._tasks: Set[asyncio.Task[None]] = set()
        self._closed: asyncio.Future[None] = runner.loop.create_future()
        runner.enter()

    def make(self) -> ServerConnection:
        return self._make(self, self._runner, self._max_queue, self.logger)

    def begin(self, connection: Peer) -> None:
        assert isinstance(connection, ServerConnection)
        self._connections.add(connection)
        self._start(self._handle(connection))

    def later(self, waits: Any) -> None:
        self._start(waits)

    def _start(self, work: Any) -> None:
        self._runner.woken = True
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

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

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._end_if_over()

    def _left(self, connection: ServerConnection) -> None:
        self._connections.discard(connection)
        self._end_if_over()

    def _end_if_over(self) -> None:
        if self._draining and not self._connections and not self._tasks and not self._closed.done():
            self.close_native()
            for handle in self._handles:
                self._engine.listeners.pop(handle, None)
            self._closed.set_result(None)
            self._runner.leave()

    # For the application

    @property
    def connections(self) -> Set[ServerConnection]:
        """Those that are open now."""
        return set(self._connections)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The loop that it runs in."""
        return self._loop

    def is_serving(self) -> bool:
        """Whether it takes connections."""
        return not self._draining

    async def serve_forever(self) -> None:
        """Waits until the server is closed; being cancelled closes it."""
        try:
            await asyncio.shield(self._closed)
        except asyncio.CancelledError:
            self.close()
            await self.wait_closed()
            raise

    def close(self, close_connections: bool = True, code: int = 1001, reason: str = "") -> None:
        """Ends it: no new connections from now on, and those that are open are closed with this code, or stay until their
        handlers are done. Calling it again does nothing. `wait_closed` waits for the end."""
        if not self._draining:
            if close_connections:
                self.close_native(code, reason)
                self._runner.flush_soon()
            self._draining = True
            self._end_if_over()

    async def wait_closed(self) -> None:
        """Waits until all connections are closed and all handlers are done."""
        await asyncio.shield(self._closed)

    async def __aenter__(self) -> Server:
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                        traceback: Optional[TracebackType]) -> None:
        self.close()
        await self.wait_closed()


class serve:
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
        backlog: int = 4096,
        reuse_port: bool = False,
        trusted_proxies: Sequence[str] = (),
        streaming: bool = False,
    ) -> None:
        self.handler = handler
        self.logger = logger or logging.getLogger("wsock.server")
        self._settings = ServerSettings(
            host, port, origins=origins, subprotocols=subprotocols, select_subprotocol=select_subprotocol,
            compression=compression, process_request=process_request, server_header=server_header, open_timeout=open_timeout,
            ping_interval=ping_interval, ping_timeout=ping_timeout, close_timeout=close_timeout, max_size=max_size,
            write_limit=write_limit, ssl=ssl, sock=sock, path=path, backlog=backlog, reuse_port=reuse_port,
            trusted_proxies=trusted_proxies, streaming=streaming,
        )
        self._max_queue = max_queue
        self._make = create_connection or ServerConnection
        self._server: Optional[Server] = None

    async def _serve(self) -> Server:
        server = Server(Runner.current(), self.handler, self._settings, self._max_queue, self.logger, self._make)
        try:
            server.listen()
        except BaseException:
            server.close()
            raise
        return server

    def __await__(self) -> Generator[Any, None, Server]:
        return self._serve().__await__()

    async def __aenter__(self) -> Server:
        self._server = await self._serve()
        return self._server

    async def __aexit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                        traceback: Optional[TracebackType]) -> None:
        server, self._server = self._server, None
        assert server is not None
        await server.__aexit__(kind, error, traceback)


def unix_serve(handler: Handler, path: Optional[Path] = None, **settings: Any) -> serve:
    """Serves on a Unix domain socket."""
    return serve(handler, path=path, **settings)
