"""What is declared for ctypes is what the header says, and what the library has."""
import ctypes
import pathlib
import re
import subprocess
import sys

import pytest

from wsock import _ffi, _library

PACKAGE = pathlib.Path(__file__).resolve().parents[1]
HEADER = PACKAGE.parents[1] / "include/wsock.h"


def test_the_declarations_are_those_of_the_header():
    subprocess.run([sys.executable, str(PACKAGE / "tools/ffi.py"), "--check"], check=True)


def test_nothing_of_the_header_is_left_out():
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
    functions = set(re.findall(r"\b(wsock_\w+)\(", text))
    assert len(functions) > 90
    for name in functions:
        function = getattr(_ffi, name)
        assert function.argtypes is not None and hasattr(function, "restype"), name
    for name, value in re.findall(r"#define (WSOCK_[A-Z0-9_]+) \(?(-?\d+)\)?", text):
        assert getattr(_ffi, name) == int(value)
    structs = re.findall(r"\} (wsock_\w+);", text)
    assert len(structs) > 8
    for name in structs:
        assert issubclass(getattr(_ffi, name), ctypes.Structure)


def test_an_event_has_40_bytes():
    assert ctypes.sizeof(_ffi.wsock_event) == 40


@pytest.mark.parametrize("path, told", [("/nowhere/libwsock.so", "cannot load /nowhere/libwsock.so"), ("libm.so.6", "cannot load")])
def test_a_library_that_is_not_the_one(monkeypatch, path, told):
    monkeypatch.setenv("WSOCK_LIBRARY", path)
    with pytest.raises(ImportError, match=told):
        _library.load()


def test_a_library_of_another_version(monkeypatch):
    monkeypatch.setattr(_library, "HEADER", (0, 99))
    with pytest.raises(ImportError, match="this package needs 0.99"):
        _library.load()


def test_an_installation_without_the_library(monkeypatch, tmp_path):
    monkeypatch.delenv("WSOCK_LIBRARY", raising=False)
    monkeypatch.setattr(_library, "__file__", str(tmp_path / "_library.py"))
    with pytest.raises(ImportError, match="pip install wsock"):
        _library.load()
