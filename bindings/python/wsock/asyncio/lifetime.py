"""How clients begin and servers live in asyncio, whatever is done with their messages."""
from __future__ import annotations

import asyncio
import os
import socket
from types import TracebackType
from typing import Any, Generator, Generic, Optional, Set, Type, TypeVar

from .._client import ClientSettings
from .._engine import Closed
from .._options import Path
from .._peer import LoggerLike, Peer
from .._server import Acceptor, ServerSettings, ServerSide
from ..http import Request
from .runner import Runner

C = TypeVar("C", bound="Any")
S = TypeVar("S", bound="RunningServer")


class Dialling(Generic[C]):
    """What connects to a server when it is awaited or entered."""

    def __init__(self, uri: str, settings: ClientSettings, sock: Optional[socket.socket], logger: LoggerLike) -> None:
        self.uri = uri
        self.logger = logger
        self._settings = settings
        self._sock = sock
        self._had_sock = sock is not None
        self._path: Optional[str] = None
        self._connection: Optional[C] = None

    def _make(self, runner: Runner) -> C:
        """A connection that is not open yet; its `_open` will tell."""
        raise NotImplementedError

    def _over(self, path: Path) -> None:
        """Over the Unix domain socket there."""
        self._path = os.fspath(path)

    async def _connect(self) -> C:
        runner = Runner.current()
        # The loop is kept also when nothing comes of it.
        runner.enter()
        try:
            connection = self._make(runner)
            connection.begin(self._settings.dial(runner.engine, self.uri, await self._socket()))
            connection.request = Request(self.uri, self._settings.headers.copy())
            runner.engine.add(connection)
            try:
                await asyncio.wait_for(asyncio.shield(connection._open), self._settings.open_timeout)
            except BaseException as error:
                connection.abort()
                if connection._open.done():
                    connection._open.exception()  # nobody else looks at it
                else:
                    connection._open.cancel()
                    if isinstance(error, asyncio.TimeoutError):
                        raise TimeoutError("timed out during opening handshake") from None
                raise
            return connection
        finally:
            runner.leave()

    async def _socket(self) -> Optional[socket.socket]:
        if self._path is not None:
            return await self._connect_unix(self._path)
        sock, self._sock = self._sock, None
        if sock is None and self._had_sock:
            raise RuntimeError("the socket is used up: give connect a new one")
        return sock

    async def _connect_unix(self, path: str) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            await asyncio.wait_for(asyncio.get_running_loop().sock_connect(sock, path), self._settings.open_timeout)
        except BaseException:
            sock.close()
            raise
        return sock

    def __await__(self) -> Generator[Any, None, C]:
        return self._connect().__await__()

    async def __aenter__(self) -> C:
        if self._connection is not None:
            raise RuntimeError("connect() isn't reentrant")
        self._connection = await self._connect()
        return self._connection

    async def __aexit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                        traceback: Optional[TracebackType]) -> None:
        connection, self._connection = self._connection, None
        assert connection is not None
        await connection.__aexit__(kind, error, traceback)


class Served(ServerSide):
    """A connection of a server that counts those it has."""

    server: RunningServer

    def closed(self, closed: Closed) -> None:
        try:
            super().closed(closed)
        finally:
            self.server._left(self)


class RunningServer(Acceptor):
    """A server that runs; what `async with serve(...)` gives."""

    awaits = True

    def __init__(self, runner: Runner, settings: ServerSettings, logger: LoggerLike) -> None:
        super().__init__(runner.engine, settings, logger)
        self._runner = runner
        self._connections: Set[Any] = set()
        self._tasks: Set[asyncio.Task[None]] = set()
        self._over: asyncio.Future[None] = runner.loop.create_future()
        runner.enter()

    def begin(self, connection: Peer) -> None:
        self._connections.add(connection)

    def later(self, waits: Any) -> None:
        task = self._runner.loop.create_task(waits)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._end_if_over()

    def _left(self, connection: Peer) -> None:
        self._connections.discard(connection)
        self._end_if_over()

    def _end_if_over(self) -> None:
        if self._draining and not self._connections and not self._tasks and not self._over.done():
            self.close_native()
            for handle in self._handles:
                self._engine.listeners.pop(handle, None)
            self._over.set_result(None)
            self._runner.leave()

    @property
    def connections(self) -> Set[Any]:
        """Those that are open now."""
        return set(self._connections)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The loop that it runs in."""
        return self._runner.loop

    def is_serving(self) -> bool:
        """Whether it takes connections."""
        return not self._draining

    async def serve_forever(self) -> None:
        """Waits until the server is closed; being cancelled closes it."""
        try:
            await asyncio.shield(self._over)
        except asyncio.CancelledError:
            self.close()
            await self.wait_closed()
            raise

    def close(self, close_connections: bool = True, code: int = 1001, reason: str = "") -> None:
        """Ends it: no new connections from now on, and those that are open are closed with this code, or stay until they
        end by themselves. Calling it again does nothing. `wait_closed` waits for the end."""
        if not self._draining:
            if close_connections:
                self.close_native(code, reason)
                self._runner.flush_soon()
            self._draining = True
            self._end_if_over()

    async def wait_closed(self) -> None:
        """Waits until all connections are closed and all handlers are done."""
        await asyncio.shield(self._over)

    async def __aenter__(self: S) -> S:
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                        traceback: Optional[TracebackType]) -> None:
        self.close()
        await self.wait_closed()


class Serving(Generic[S]):
    """What starts a server when it is awaited or entered."""

    _server: Optional[S] = None

    def _make_server(self, runner: Runner) -> S:
        """One that does not listen yet."""
        raise NotImplementedError

    async def _serve(self) -> S:
        server = self._make_server(Runner.current())
        try:
            server.listen()
        except BaseException:
            server.close()
            raise
        return server

    def __await__(self) -> Generator[Any, None, S]:
        return self._serve().__await__()

    async def __aenter__(self) -> S:
        self._server = await self._serve()
        return self._server

    async def __aexit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                        traceback: Optional[TracebackType]) -> None:
        server, self._server = self._server, None
        assert server is not None
        await server.__aexit__(kind, error, traceback)
