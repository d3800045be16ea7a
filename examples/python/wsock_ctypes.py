"""The part of wsock.h that the examples here use, declared for ctypes.

Three things keep a ctypes program out of trouble, and all are visible below: every function has argtypes and
restype; handles travel as c_void_p; and whoever registers callbacks keeps them alive as long as the library
may call them (see Handlers).
"""
import ctypes
import os
import pathlib
from ctypes import (CFUNCTYPE, POINTER, Structure, c_char, c_char_p, c_int32, c_int64, c_size_t, c_uint8, c_uint16,
                    c_uint64, c_void_p)

OK, BUFFERED = 0, 1
ERR_LIMIT, ERR_INTERRUPTED = -8, -9
TEXT, BINARY = 1, 2
OPT_IDLE_TIMEOUT_MS, OPT_MAX_MESSAGE_SIZE, OPT_DEFLATE = 4, 10, 30


class ErrorInfo(Structure):
    _fields_ = [("struct_size", c_size_t), ("code", c_int32), ("os_error", c_int32), ("http_status", c_int32),
                ("close_code", c_int32), ("message", c_char * 232)]


class CloseInfo(Structure):
    _fields_ = [("struct_size", c_size_t), ("code", c_int32), ("sent_code", c_int32), ("was_clean", c_int32),
                ("initiator", c_int32), ("status", c_int32), ("reserved", c_int32), ("reason", c_char_p),
                ("reason_len", c_size_t), ("unsent_bytes", c_uint64)]


OnOpen = OnDrain = CFUNCTYPE(None, c_void_p, c_void_p)
OnMessage = CFUNCTYPE(None, c_void_p, c_int32, c_void_p, c_size_t, c_void_p)
OnError = CFUNCTYPE(None, c_void_p, POINTER(ErrorInfo), c_void_p)
OnClose = CFUNCTYPE(None, c_void_p, POINTER(CloseInfo), c_void_p)
OnPing = OnPong = CFUNCTYPE(None, c_void_p, POINTER(c_uint8), c_size_t, c_void_p)
OnRequest = CFUNCTYPE(c_int32, c_void_p, c_void_p, c_void_p)
Release = CFUNCTYPE(None, c_void_p)


class Handlers(Structure):
    """Keep the instance: it holds the callbacks, and the library calls them until the last on_close."""
    _fields_ = [("struct_size", c_size_t), ("on_open", OnOpen), ("on_message", OnMessage), ("on_error", OnError),
                ("on_close", OnClose), ("on_ping", OnPing), ("on_pong", OnPong), ("on_drain", OnDrain),
                ("on_request", OnRequest), ("release", Release)]

    def __init__(self, **callbacks):
        super().__init__(ctypes.sizeof(Handlers), **callbacks)


def load():
    """The library: where WSOCK_LIBRARY says, else the one built in this tree, else the installed one."""
    built = pathlib.Path(__file__).resolve().parents[2] / "target" / "release" / "libwsock.so"
    lib = ctypes.CDLL(os.environ.get("WSOCK_LIBRARY") or (str(built) if built.exists() else "libwsock.so.0"))
    for name, result, arguments in [
        ("wsock_last_error", c_int32, [POINTER(ErrorInfo)]),
        ("wsock_loop_new", c_int32, [POINTER(c_void_p)]),
        ("wsock_loop_run", c_int32, [c_void_p]),
        ("wsock_loop_poll", c_int32, [c_void_p, c_int32]),
        ("wsock_loop_free", c_int32, [c_void_p]),
        ("wsock_options_new", c_int32, [POINTER(c_void_p)]),
        ("wsock_options_set_int", c_int32, [c_void_p, c_int32, c_int64]),
        ("wsock_options_free", None, [c_void_p]),
        ("wsock_connect", c_int32, [c_void_p, c_char_p, c_void_p, POINTER(Handlers), c_void_p, POINTER(c_void_p)]),
        ("wsock_listen", c_int32, [c_void_p, c_char_p, c_uint16, c_void_p, POINTER(Handlers), c_void_p,
                                   POINTER(c_void_p)]),
        ("wsock_server_port", c_uint16, [c_void_p]),
        ("wsock_server_close", c_int32, [c_void_p, c_int32, c_int32, c_char_p]),
        ("wsock_conn_send", c_int32, [c_void_p, c_int32, c_void_p, c_size_t, ctypes.c_uint32]),
        ("wsock_conn_send_text", c_int32, [c_void_p, c_char_p, c_size_t]),
        ("wsock_conn_close", c_int32, [c_void_p, c_int32, c_char_p]),
        ("wsock_conn_pause", c_int32, [c_void_p]),
        ("wsock_conn_resume", c_int32, [c_void_p]),
    ]:
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib


def check(lib, status):
    """Raise what wsock_last_error has to say when a call was refused."""
    if status < 0:
        error = ErrorInfo(ctypes.sizeof(ErrorInfo))
        lib.wsock_last_error(ctypes.byref(error))
        raise OSError(error.os_error, error.message.decode())
