"""Finds and loads the shared library."""
import ctypes
import os
import pathlib

#: The version of the header that `_ffi.py` was written from.
HEADER = (0, 1)


def find() -> str:
    """The library beside this package, or the one that WSOCK_LIBRARY names."""
    named = os.environ.get("WSOCK_LIBRARY")
    if named:
        return named
    beside = pathlib.Path(__file__).resolve().parent / "libwsock.so"
    if not beside.exists():
        raise ImportError(
            f"{beside} is missing, so this installation of wsock is not complete: install its wheel (pip install wsock), "
            "or name a library with the environment variable WSOCK_LIBRARY"
        )
    return str(beside)


def load() -> ctypes.CDLL:
    """Loads it, and refuses one that is not of this package's version."""
    path = find()
    try:
        loaded = ctypes.CDLL(path)
        version = loaded.wsock_version
    except (OSError, AttributeError) as error:
        raise ImportError(f"cannot load {path}: {error}") from None
    version.restype, version.argtypes = ctypes.c_uint32, ()
    number = version()
    major, minor = number >> 16, number >> 8 & 0xFF
    # Before 1.0 every minor version may change what there is; additions within one do no harm.
    if (major, minor) != HEADER:
        raise ImportError(f"{path} is version {major}.{minor} of the library, and this package needs {HEADER[0]}.{HEADER[1]}")
    return loaded


library = load()
#: The same for calls that never wait: with these Python's lock is kept, which saves letting go of it and taking it again.
quick = ctypes.PyDLL(library._name)
