"""Serving with a thread for each connection."""
from __future__ import annotations

import logging
import socket
import threading
from types import TracebackType
from typing import Any, Callable, Optional, Sequence, Set, Type, Union

from .._inbox import Queue
from .._options import Path, WriteLimit
from .._peer import LoggerLike, Peer
from .._server import SERVER, Acceptor, Origins, ServerSettings, ServerSide
from ..exceptions import ConnectionClosed
from ..http import Request, Response
from .connection import Connection
from .pump import Pump

Handler = Callable[["ServerConnection"], None]
ProcessRequest = Callable[["ServerConnection", Request], Optional[Response]]
SelectSubprotocol = Callable[["ServerConnection", Sequence[str]], Optional[str]]


class ServerConnection(ServerSide, Connection):
    """The server's side of a connection; what a handler is given, on a thread of its own."""

    def __init__(self, server: Server, pump: Pump, max_queue: Queue, logger: LoggerLike) -> None:
        super().__init__(pump, max_queue, logger)
        self.server = server


class Server(Acceptor):
    """A server; `serve_forever` lets it work."""

    def __init__(self, handler: Handler, settings: ServerSettings, max_queue: Queue, logger: LoggerLike,
                 make: Callable[..., ServerConnection]) -> None:
        self._pump = Pump()
        super().__init__(self._pump.engine, settings, logger)
        self.handler = handler
        self._max_queue = max_queue
        self._make = make
        self._changed = self._pump.condition()
        self._threads: Set[threading.Thread] = set()
        #: The thread in `serve_forever`.
        self._serving = 0

    # What the engine tells, with the lock of the pump held

    def asked(self, request: int) -> None:
        # What decides may wait for something.
        self._start(lambda: super(Server, self).asked(request), lambda: self.refuse(request))

    def make(self) -> ServerConnection:
        connection = self._make(self, self._pump, self._max_queue, self.logger)
        connection.text_as_bytes = self._settings.text_as_bytes
        return connection

    def begin(self, connection: Peer) -> None:
        assert isinstance(connection, ServerConnection)
        self._start(lambda: self._handle(connection), connection.abort)

    def _start(self, work: Callable[[], None], give_up: Callable[[], None]) -> None:
        def run() -> None:
            try:
                work()
            finally:
                with self._pump.lock:
                    self._threads.discard(thread)
                    self._changed.notify_all()
                # Who waits for that may be the one that takes events out.
                self._pump.wakeup()

        thread = threading.Thread(target=run, name="wsock.server", daemon=True)
        self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError as error:
            self._threads.discard(thread)
            self.logger.error("no thread for a connection: %s", error)
            give_up()

    def _handle(self, connection: ServerConnection) -> None:
        try:
            self.handler(connection)
        except ConnectionClosed as error:
            # The usual end of a handler that waits for messages, or sends some.
            self.logger.info("connection closed: %s", error)
            connection.close()
        except Exception:
            self.logger.error("connection handler failed", exc_info=True)
            connection.close(1011)
        else:
            connection.close()

    # For the application

    def _is_over(self) -> bool:
        return self._draining and not self._threads

    def serve_forever(self) -> None:
        """Lets it work until `shutdown` is called, from another thread or a signal handler, and all handlers are done."""
        self._serving = threading.get_ident()
        try:
            self._pump.wait(self._changed, self._is_over)
        finally:
            self._serving = 0

    def shutdown(self, code: int = 1001, reason: str = "") -> None:
        """Ends it, and its connections with this code, and waits for their handlers: here, or in `serve_forever` when a
        signal handler calls it on that thread."""
        self.close_native(code, reason)
        self._engine.flush()
        self._draining = True
        self._pump.wakeup()
        if self._serving == threading.get_ident():
            return
        own = threading.current_thread()
        self._pump.wait(self._changed, lambda: not (self._threads - {own}))
        with self._pump.lock:
            self._changed.notify_all()
        self._pump.wakeup()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        self.shutdown()
        self._pump.free()


def serve(
    handler: Handler,
    host: Union[str, Sequence[str], None] = None,
    port: Optional[int] = None,
    *,
    sock: Optional[socket.socket] = None,
    ssl: Any = None,
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
    path: Optional[Path] = None,
    backlog: int = 65535,
    reuse_port: bool = False,
    trusted_proxies: Sequence[str] = (),
    streaming: bool = False,
    text_as_bytes: bool = False,
) -> Server:
    """Serves `handler`, which is called with each connection on a thread of its own: `with serve(...) as server`. The
    connection is closed when it returns."""
    settings = ServerSettings(
        host, port, origins=origins, subprotocols=subprotocols, select_subprotocol=select_subprotocol, compression=compression,
        process_request=process_request, server_header=server_header, open_timeout=open_timeout, ping_interval=ping_interval,
        ping_timeout=ping_timeout, close_timeout=close_timeout, max_size=max_size, write_limit=write_limit, ssl=ssl, sock=sock,
        path=path, backlog=backlog, reuse_port=reuse_port, trusted_proxies=trusted_proxies, streaming=streaming, text_as_bytes=text_as_bytes,
    )
    logger = logger or logging.getLogger("wsock.server")
    server = Server(handler, settings, max_queue, logger, create_connection or ServerConnection)
    try:
        server.listen()
    except BaseException:
        server._pump.free()
        raise
    return server


def unix_serve(handler: Handler, path: Optional[Path] = None, **settings: Any) -> Server:
    """Serves on a Unix domain socket."""
    return serve(handler, path=path, **settings)
