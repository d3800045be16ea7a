"""From keyword arguments to the library's options."""
from __future__ import annotations

import ctypes
import os
import ssl as stdlib_ssl
from typing import Any, Iterable, Optional, Sequence, Tuple, Union

from . import _ffi
from ._status import check
from .http import Headers, HeadersLike

Path = Union[str, "os.PathLike[str]"]
WriteLimit = Union[int, None, Tuple[Optional[int], Optional[int]]]


class TLS:
    """How to speak TLS, in place of an `ssl.SSLContext`: the library has its own TLS, which cannot read from one.

    A client needs none of it for a server with a public certificate.

    certfile, keyfile: your certificate with those behind it, and its key: files in PEM. Servers need both.
    cafile, cadata: whom to trust, in place of what the system trusts: a file in PEM, or its text.
    system_trust: trust what the system trusts, too.
    minimum_version: "1.2" or "1.3".
    client_certificates: servers: whether clients need a certificate: "ignored", "optional" or "required".
    pins: clients: `sha256//...` of the public keys that a server may have.
    verify: DANGER: False takes any certificate, so that whoever is between you and the server can read and change everything.
    """

    def __init__(self, certfile: Optional[Path] = None, keyfile: Optional[Path] = None, *, cafile: Optional[Path] = None,
                 cadata: Optional[str] = None, system_trust: bool = False, minimum_version: str = "1.2",
                 client_certificates: str = "ignored", pins: Sequence[str] = (), verify: bool = True) -> None:
        self.certfile = certfile
        self.keyfile = keyfile
        self.cafile = cafile
        self.cadata = cadata
        self.system_trust = system_trust
        self.minimum_version = minimum_version
        self.client_certificates = client_certificates
        self.pins = pins
        self.verify = verify

    def apply(self, options: Options) -> None:
        """Puts it into a set of options."""
        if (self.certfile is None) != (self.keyfile is None):
            raise ValueError("certfile and keyfile go together")
        if self.certfile is not None and self.keyfile is not None:
            check(_ffi.wsock_options_add_cert_files(options.handle, os.fsencode(self.certfile), os.fsencode(self.keyfile)))
        if self.cafile is not None:
            options.text(_ffi.WSOCK_OPT_TLS_CA_FILE, os.fspath(self.cafile))
        if self.cadata is not None:
            options.text(_ffi.WSOCK_OPT_TLS_CA_PEM, self.cadata)
        options.number(_ffi.WSOCK_OPT_TLS_SYSTEM_TRUST, self.system_trust)
        options.number(_ffi.WSOCK_OPT_TLS_MIN_VERSION, one_of("minimum_version", self.minimum_version, {"1.2": 12, "1.3": 13}))
        kinds = {"ignored": 0, "optional": 1, "required": 2}
        options.number(_ffi.WSOCK_OPT_TLS_CLIENT_CERT, one_of("client_certificates", self.client_certificates, kinds))
        options.number(_ffi.WSOCK_OPT_DANGER_ACCEPT_ANY_CERTIFICATE, not self.verify)
        for pin in self.pins:
            check(_ffi.wsock_options_add_pin(options.handle, pin.encode()))


def one_of(name: str, value: str, known: dict[str, int]) -> int:
    """The number of a value, which has to be one of these."""
    if value not in known:
        raise ValueError(f"{name} is {value!r}; it can be {' or '.join(map(repr, known))}")
    return known[value]


def tls_of(ssl: Any, server: bool) -> Optional[TLS]:
    """What the argument `ssl` means: None or True for the defaults, or a `TLS`."""
    if ssl is None or isinstance(ssl, TLS):
        return ssl
    if ssl is True and not server:
        return TLS()
    if isinstance(ssl, stdlib_ssl.SSLContext):
        raise TypeError("the library has its own TLS and cannot use an ssl.SSLContext: give ssl=wsock.TLS(cafile=...) "
                        "or, for a server, ssl=wsock.TLS(certfile=..., keyfile=...)")
    raise TypeError(f"ssl must be a wsock.TLS, not {type(ssl).__name__}")


class Options:
    """A set of native options; a context manager that frees it."""

    def __init__(self) -> None:
        handle = ctypes.c_void_p()
        check(_ffi.wsock_options_new(ctypes.byref(handle)))
        self.handle = handle.value

    def __enter__(self) -> Options:
        return self

    def __exit__(self, *_: Any) -> None:
        _ffi.wsock_options_free(self.handle)

    def number(self, key: int, value: int) -> None:
        """Sets an option that is a number."""
        check(_ffi.wsock_options_set_int(self.handle, key, int(value)))

    def text(self, key: int, value: str) -> None:
        """Sets one that is a text."""
        check(_ffi.wsock_options_set_str(self.handle, key, c_text(value)))

    def seconds(self, key: int, value: Optional[float], none: int = 0) -> None:
        """Sets one in milliseconds; None is `none`, which mostly means no limit."""
        if value is not None and value < 0:
            raise ValueError(f"a time cannot be negative: {value}")
        # What is not none must not round to it.
        self.number(key, none if value is None else min(max(1, round(value * 1000)), FOR_EVER_MS))

    def headers(self, headers: Optional[HeadersLike]) -> None:
        """Adds headers to the request, or to the answers."""
        for name, value in Headers(headers or {}).raw_items():
            check(_ffi.wsock_options_add_header(self.handle, c_text(name), c_text(value)))

    def subprotocols(self, subprotocols: Optional[Iterable[str]]) -> None:
        """Adds subprotocols."""
        if isinstance(subprotocols, str):
            raise TypeError("subprotocols must be a list, not a str")
        for subprotocol in subprotocols or ():
            check(_ffi.wsock_options_add_protocol(self.handle, c_text(subprotocol)))

    def compression(self, compression: Optional[str]) -> None:
        """Sets whether messages may be compressed: "deflate" or None."""
        if compression not in (None, "deflate"):
            raise ValueError(f"unsupported compression: {compression!r}; it can be 'deflate' or None")
        self.number(_ffi.WSOCK_OPT_DEFLATE, compression == "deflate")

    def common(
        self,
        *,
        open_timeout: Optional[float],
        ping_interval: Optional[float],
        ping_timeout: Optional[float],
        close_timeout: Optional[float],
        max_size: Optional[int],
        write_limit: WriteLimit,
        compression: Optional[str],
        subprotocols: Optional[Iterable[str]],
        tls: Optional[TLS],
    ) -> None:
        """What clients and servers have in common."""
        self.seconds(_ffi.WSOCK_OPT_HANDSHAKE_TIMEOUT_MS, open_timeout)
        self.seconds(_ffi.WSOCK_OPT_PING_INTERVAL_MS, ping_interval)
        # Without an end to the wait there is one that nobody sees.
        self.seconds(_ffi.WSOCK_OPT_PONG_TIMEOUT_MS, ping_timeout, none=FOR_EVER_MS)
        self.seconds(_ffi.WSOCK_OPT_CLOSE_TIMEOUT_MS, close_timeout, none=FOR_EVER_MS)
        if max_size is not None and max_size <= 0:
            raise ValueError(f"max_size must be at least 1, or None for any size; it is {max_size}")
        self.number(_ffi.WSOCK_OPT_MAX_MESSAGE_SIZE, max_size or 0)
        high, low = write_limit if isinstance(write_limit, tuple) else (write_limit, None)
        if high is not None:
            self.number(_ffi.WSOCK_OPT_HIGH_WATER, high)
            self.number(_ffi.WSOCK_OPT_LOW_WATER, high // 4 if low is None else low)
        self.compression(compression)
        self.subprotocols(subprotocols)
        if tls is not None:
            tls.apply(self)


#: A day, the longest time that the library counts.
FOR_EVER_MS = 86_400_000


def c_text(text: str) -> bytes:
    """For C, where a NUL would end it."""
    data = text.encode()
    if b"\0" in data:
        raise ValueError(f"{text!r} has a NUL character in it")
    return data
