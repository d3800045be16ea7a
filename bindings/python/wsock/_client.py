"""What a client is asked for, whoever waits for it, and how it begins."""
from __future__ import annotations

import ctypes
import os
import socket
import sys
from typing import Any, Optional, Sequence, Tuple, Union

from . import _ffi
from ._engine import Engine
from ._options import Options, WriteLimit, tls_of
from ._status import exception_of, last_failure
from ._stream import handlers_for
from ._version import VERSION
from .exceptions import InvalidProxy, InvalidURI
from .http import Headers, HeadersLike

USER_AGENT = f"Python/{sys.version_info[0]}.{sys.version_info[1]} wsock/{VERSION}"


class ClientSettings:
    """The arguments of `connect`."""

    def __init__(
        self,
        *,
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
        write_limit: WriteLimit = 2**15,
        ssl: Any = None,
        server_hostname: Optional[str] = None,
        local_addr: Optional[Tuple[str, int]] = None,
        redirects: int = 10,
        streaming: bool = False,
        text_as_bytes: bool = False,
    ) -> None:
        if additional_headers is not None and extra_headers is not None:
            raise TypeError("additional_headers and extra_headers are the same: give one of them")
        self.common = dict(
            open_timeout=open_timeout, ping_interval=ping_interval, ping_timeout=ping_timeout, close_timeout=close_timeout,
            max_size=max_size, write_limit=write_limit, compression=compression, subprotocols=subprotocols,
            tls=tls_of(ssl, server=False),
        )
        self.open_timeout = open_timeout
        self.headers = Headers(additional_headers or extra_headers or {})
        if user_agent_header is not None and "User-Agent" not in self.headers:
            self.headers["User-Agent"] = user_agent_header
        self.texts = {_ffi.WSOCK_OPT_ORIGIN: origin, _ffi.WSOCK_OPT_TLS_SERVER_NAME: server_hostname}
        if local_addr is not None:
            host, port = local_addr
            self.texts[_ffi.WSOCK_OPT_SOURCE_ADDRESS] = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self.proxy = proxy
        self.redirects = redirects
        self.streaming = streaming
        self.text_as_bytes = text_as_bytes

    def _fill(self, options: Options) -> None:
        options.common(**self.common)  # type: ignore[arg-type]
        options.headers(self.headers)
        options.seconds(_ffi.WSOCK_OPT_CONNECT_TIMEOUT_MS, self.open_timeout)
        options.number(_ffi.WSOCK_OPT_MAX_REDIRECTS, self.redirects)
        for key, text in self.texts.items():
            if text is not None:
                options.text(key, text)
        if self.proxy is True:
            options.number(_ffi.WSOCK_OPT_PROXY_FROM_ENV, 1)
        elif isinstance(self.proxy, str):
            try:
                options.text(_ffi.WSOCK_OPT_PROXY, self.proxy)
            except ValueError as error:
                raise InvalidProxy(self.proxy, str(error)) from None

    def dial(self, engine: Engine, uri: str, sock: Optional[socket.socket] = None) -> int:
        """Begins to connect: the handle of what becomes a connection, or an exception when there is nothing to try."""
        handle = ctypes.c_void_p()
        url = uri.encode()
        handlers = handlers_for(self.streaming)
        with Options() as options:
            self._fill(options)
            if sock is None:
                status = _ffi.wsock_connect(engine.handle, url, options.handle, handlers, None, ctypes.byref(handle))
            else:
                # A copy, so that the original can be closed as Python does it.
                fd = os.dup(sock.fileno())
                status = _ffi.wsock_connect_fd(engine.handle, fd, url, options.handle, handlers, None, None, 0,
                                               ctypes.byref(handle))
                if status < 0:
                    os.close(fd)
        if status < 0:
            failure = last_failure()
            if failure.code == _ffi.WSOCK_ERR_INVALID_ARGUMENT and sock is None:
                raise InvalidURI(uri, failure.message)
            raise exception_of(failure)
        if sock is not None:
            sock.close()
        assert handle.value is not None
        return handle.value


def unix_socket(path: str) -> socket.socket:
    """A socket that is connected to this path."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.connect(path)
    except BaseException:
        sock.close()
        raise
    return sock
