"""Connecting to a server in asyncio."""
from __future__ import annotations

import asyncio
import logging
import random
import socket
import warnings
from typing import Any, AsyncIterator, Callable, Optional, Sequence, Tuple, Union

from .. import _ffi
from .._client import USER_AGENT, ClientSettings
from .._engine import Closed
from .._inbox import Queue
from .._options import Path, WriteLimit
from .._peer import LoggerLike
from ..exceptions import InvalidStatus
from ..http import HeadersLike
from .connection import Connection
from .lifetime import Dialling
from .runner import Runner


class ClientConnection(Connection):
    """The client's side of a connection; `connect` makes one."""

    def __init__(self, runner: Runner, max_queue: Queue, logger: LoggerLike) -> None:
        super().__init__(runner, max_queue, logger)
        self._open: asyncio.Future[None] = self._loop.create_future()

    def opened(self) -> None:
        super().opened()
        if not self._open.done():
            self._open.set_result(None)

    def dropped(self) -> None:
        warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self)
        _ffi.wsock_conn_close(self.handle, 1000, b"")
        self._runner.flush_soon()

    def closed(self, closed: Closed) -> None:
        super().closed(closed)
        if not self._open.done():
            self._open.set_exception(self.open_exception())


def process_exception(exc: Exception) -> Optional[Exception]:
    """Whether `async for ws in connect(...)` tries again after this: None says yes, an exception is raised.

    Failures of the network, timeouts and servers that are overloaded or restarting are worth another attempt.
    """
    if isinstance(exc, (OSError, TimeoutError, asyncio.TimeoutError)):
        return None
    if isinstance(exc, InvalidStatus) and exc.response.status_code in (500, 502, 503, 504):
        return None
    return exc


class connect(Dialling[ClientConnection]):
    """Connects to a server: `async with connect(uri) as ws`, or `ws = await connect(uri)`.

    `async for ws in connect(uri)` gives a connection, and a new one whenever that is lost.
    """

    def __init__(
        self,
        uri: str,
        *,
        origin: Optional[str] = None,
        subprotocols: Optional[Sequence[str]] = None,
        compression: Optional[str] = "deflate",
        additional_headers: Optional[HeadersLike] = None,
        extra_headers: Optional[HeadersLike] = None,
        user_agent_header: Optional[str] = USER_AGENT,
        proxy: Union[str, bool, None] = True,
        process_exception: Callable[[Exception], Optional[Exception]] = process_exception,
        open_timeout: Optional[float] = 10,
        ping_interval: Optional[float] = 20,
        ping_timeout: Optional[float] = 20,
        close_timeout: Optional[float] = 10,
        max_size: Optional[int] = 2**20,
        max_queue: Queue = 16,
        write_limit: WriteLimit = 2**15,
        logger: Optional[LoggerLike] = None,
        create_connection: Optional[Callable[..., ClientConnection]] = None,
        ssl: Any = None,
        server_hostname: Optional[str] = None,
        sock: Optional[socket.socket] = None,
        local_addr: Optional[Tuple[str, int]] = None,
        streaming: bool = False,
        text_as_bytes: bool = False,
    ) -> None:
        settings = ClientSettings(
            origin=origin, subprotocols=subprotocols, compression=compression, additional_headers=additional_headers,
            extra_headers=extra_headers, user_agent_header=user_agent_header, proxy=proxy, open_timeout=open_timeout,
            ping_interval=ping_interval, ping_timeout=ping_timeout, close_timeout=close_timeout, max_size=max_size,
            write_limit=write_limit, ssl=ssl, server_hostname=server_hostname, local_addr=local_addr, streaming=streaming, text_as_bytes=text_as_bytes,
        )
        super().__init__(uri, settings, sock, logger or logging.getLogger("wsock.client"))
        self._process_exception = process_exception
        self._max_queue = max_queue
        self._make_connection = create_connection or ClientConnection

    def _make(self, runner: Runner) -> ClientConnection:
        connection = self._make_connection(runner, self._max_queue, self.logger)
        connection.text_as_bytes = self._settings.text_as_bytes
        return connection

    async def __aiter__(self) -> AsyncIterator[ClientConnection]:
        failures = 0
        while True:
            try:
                connection = await self._connect()
            except Exception as error:
                verdict = self._process_exception(error)
                if verdict is error:
                    raise
                if verdict is not None:
                    raise verdict from error
                failures += 1
                delay = reconnect_delay(failures)
                self.logger.info("connect failed; reconnecting in %.1f seconds: %s", delay, error)
                await asyncio.sleep(delay)
                continue
            failures = 0
            try:
                yield connection
            finally:
                await connection.close()


def reconnect_delay(failures: int) -> float:
    """Seconds to wait after so many failures in a row: any time up to 1, 2, 4 ... 30, so that many clients whose server has
    restarted do not come back at once."""
    return random.uniform(0, min(30.0, 2.0 ** (failures - 1)))


def unix_connect(path: Path, uri: str = "ws://localhost/", **settings: Any) -> connect:
    """The same over a Unix domain socket; `uri` says what to ask the server for."""
    made = connect(uri, **settings)
    made._over(path)
    return made
