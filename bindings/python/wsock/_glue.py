"""Binds the glue: builtin functions over libwsock, from a library that is linked with neither it nor Python.

It is used when it is there, when this is CPython, and when it passes a test of itself; WSOCK_PURE=1 does without. The package
does the same either way, with ctypes alone at two to three times the cost for each message.
"""
from __future__ import annotations

import ctypes
import os
import pathlib
import sys
from typing import Any, Callable, List, Optional

from . import _ffi, _library

#: Functions of Python's that glue.c has in its table, in its order; the last may be missing.
PYTHON = (
    "PyBytes_FromStringAndSize", "PyBytes_AsStringAndSize", "PyUnicode_DecodeUTF8", "PyUnicode_AsUTF8AndSize",
    "PyLong_FromLongLong", "PyLong_AsLong", "PyLong_AsVoidPtr", "PyTuple_GetItem", "PyObject_CallFunctionObjArgs",
    "PyObject_Type", "Py_IncRef", "Py_DecRef", "PyEval_SaveThread", "PyEval_RestoreThread", "PyCFunction_NewEx",
    "PyObject_Vectorcall",
)
#: And of libwsock's.
WSOCK = ("wsock_loop_events", "wsock_loop_flush", "wsock_conn_send_text", "wsock_conn_send_binary")

TAKE, WAIT, TELL, FLUSH, SEND, POST = range(6)
#: In the user word of a connection, beside the address of its sink: text is decoded.
DECODE = 1


class Loop(ctypes.Structure):
    """An engine's loop on the C side."""

    _fields_ = [("loop", ctypes.c_void_p), ("array", ctypes.c_void_p), ("other", ctypes.py_object), ("arrived", ctypes.c_void_p),
                ("count", ctypes.c_int32), ("at", ctypes.c_int32), ("telling", ctypes.c_int32), ("flush_ends", ctypes.c_int32)]


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def _table() -> Any:
    addresses = [_address(getattr(ctypes.pythonapi, name)) for name in PYTHON[:-1]]
    vectorcall = getattr(ctypes.pythonapi, PYTHON[-1], None)
    addresses.append(0 if vectorcall is None else _address(vectorcall))
    addresses += [id(None), id(bytes), id(str)]
    addresses += [_address(getattr(_library.library, name)) for name in WSOCK]
    return (ctypes.c_void_p * len(addresses))(*addresses)


def _find() -> Optional[pathlib.Path]:
    named = os.environ.get("WSOCK_GLUE")
    path = pathlib.Path(named) if named else pathlib.Path(__file__).resolve().parent / "_wsockglue.so"
    return path if path.exists() else None


def bind() -> Optional[Callable[[int, Any], Any]]:
    """What makes builtins of the glue's functions; None when there is none that works."""
    if os.environ.get("WSOCK_PURE") == "1" or sys.implementation.name != "cpython":
        return None
    path = _find()
    if path is None:
        return None
    try:
        glue = ctypes.PyDLL(str(path))
        table = _table()
        if glue.wsock_glue_bind(table, ctypes.sizeof(table)) != ctypes.sizeof(table):
            return None
        make: Callable[[int, Any], Any] = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_int, ctypes.py_object)(
            ("wsock_glue_function", glue))
    except (OSError, AttributeError):
        return None
    return make if _works(make) else None


def _works(make: Callable[[int, Any], Any]) -> bool:
    """Messages and other events, told from an array that nobody else knows, and a send to nobody."""
    told: List[Any] = []
    data = ctypes.create_string_buffer("h\u00e9llo".encode())
    events = (_ffi.wsock_event * 5)()
    sink = (list.append, told, lambda: told.append("arrived"), True)
    address = ctypes.addressof(data)
    rows = [(7, id(sink) | DECODE, 2, 3), (7, id(sink) | DECODE, 1, 3), (7, 0, 3, 0), (7, 0, 2, 3), (7, id(sink), 1, 3)]
    for event, (handle, user, kind, code) in zip(events, rows):
        event.object, event.user, event.data, event.len, event.type, event.code = handle, user, address, 6, kind, code
    loop = Loop(None, ctypes.addressof(events), lambda *row: told.append(row), None, len(events), 0, 0)
    count = make(TAKE, ctypes.addressof(loop))()
    # NULL is no loop, so that once all is told the answer is that.
    answer = make(TAKE, ctypes.addressof(loop))()
    text = "h\u00e9llo"
    others = [(7, address, 6, 3, 0), (7, address, 6, 2, 3)]
    expected = [text.encode(), text, "arrived", *others, text.encode(), "arrived"]
    post = make(POST, 0)
    nobody = _ffi.WSOCK_ERR_INVALID_HANDLE
    return count == len(events) and answer == nobody and told == expected and post(b"x") == nobody and post("x") == nobody and post(1) is None


make = bind()
