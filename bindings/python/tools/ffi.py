#!/usr/bin/env python3
"""Writes wsock/_ffi.py from include/wsock.h, so that the two cannot differ: run it when the header has changed.

    ffi.py            writes the file
    ffi.py --check    says whether it is what would be written
"""
import argparse
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
HEADER = HERE.parents[2] / "include/wsock.h"
OUTPUT = HERE.parent / "wsock/_ffi.py"

NUMBERS = {
    "int32_t": "c_int32", "int64_t": "c_int64", "uint8_t": "c_uint8", "uint16_t": "c_uint16", "uint32_t": "c_uint32",
    "uint64_t": "c_uint64", "size_t": "c_size_t", "char": "c_char", "wsock_status": "c_int32", "void": "None",
}
TOP = '''\
"""Every constant, struct and function of wsock.h, for ctypes. Written by tools/ffi.py: do not edit.

The documentation of all of it is that header. Handles are `int`, or None for NULL; text is NUL-terminated `bytes`.
"""
from ctypes import (CFUNCTYPE, POINTER, Structure, c_char, c_char_p, c_int32, c_int64, c_size_t, c_uint16,
                    c_uint32, c_uint64, c_void_p)
from typing import Any, Callable

from ._library import library

'''


def without_comments(text):
    return re.sub(r"/\*.*?\*/", "", text, flags=re.S)


class Header:
    """What the header declares."""

    def __init__(self, text):
        text = without_comments(text)
        self.constants = re.findall(r"^#define (WSOCK_[A-Z0-9_]+) \(?(-?\d+)\)?$", text, re.M)
        self.structs = re.findall(r"typedef struct \{(.*?)\} (wsock_\w+);", text, re.S)
        self.names = {name for _, name in self.structs}
        self.values = dict(self.constants)
        text = re.sub(r"typedef [^;{]*\{.*?\} \w+;|typedef [^;]*;|^#[^\n]*$|extern \"C\" \{", "", text, flags=re.S | re.M)
        flat = " ".join(text.split())
        self.functions = re.findall(r"((?:const )?\w+ \**)(wsock_\w+)\((.*?)\);", flat.replace("; ", ";\n"), re.M)

    def type(self, text):
        """A C type, without a name, as ctypes has it."""
        text = " ".join(text.replace("const", "").split())
        base, stars = text.rstrip("* "), text.count("*")
        if stars == 0:
            return NUMBERS[base] if base in NUMBERS else base
        if base == "char":
            return "c_char_p" if stars == 1 else "POINTER(c_char_p)"
        if base in self.names:
            return f"POINTER({base})"
        if base in ("void", "uint8_t") or base.startswith("wsock_"):
            return "c_void_p" if stars == 1 else "POINTER(c_void_p)"
        return f"POINTER({NUMBERS[base]})"

    def argument(self, text):
        """The type of `type name`, or of a pointer to a function."""
        pointer = re.fullmatch(r"(.*?)\(\*\w+\)\((.*)\)", text)
        if pointer:
            return self.callback(*pointer.groups())
        return self.type(re.sub(r"\w+$", "", text.strip()))

    def arguments(self, text):
        """Commas inside of parentheses belong to a pointer to a function."""
        parts = re.split(r",\s*(?![^()]*\))", text.strip())
        return [] if parts in ([""], ["void"]) else [self.argument(part) for part in parts]

    def callback(self, result, arguments):
        return "CFUNCTYPE(" + ", ".join([self.type(result), *self.arguments(arguments)]) + ")"

    def fields(self, text):
        for field in filter(None, (" ".join(field.split()) for field in text.split(";"))):
            pointer = re.fullmatch(r"(.*?)\(\*(\w+)\)\((.*)\)", field)
            array = re.fullmatch(r"(\w+) (\w+)\[(\w+)\]", field)
            if pointer:
                yield pointer[2], self.callback(pointer[1], pointer[3])
            elif array:
                yield array[2], f"{self.type(array[1])} * {array[3]}"
            else:
                name = re.search(r"\w+$", field)[0]
                yield name, self.type(field[: -len(name)])


def wrapped(first, items, last):
    """`first`, items with commas, `last`; over several lines when it is long."""
    line = first + ", ".join(items) + last
    if len(line) <= 120:
        return line + "\n"
    return first + "".join(f"\n    {item}," for item in items) + "\n" + last + "\n"


def module(header):
    out = [TOP]
    out += [f"{name} = {value}\n" for name, value in header.constants]
    for body, name in header.structs:
        out.append(f"\n\nclass {name}(Structure):\n    _fields_ = [\n")
        out += [f'        ("{field}", {kind}),\n' for field, kind in header.fields(body)]
        out.append("    ]\n")
    out.append('\n\ndef _function(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:\n'
               "    function = getattr(library, name)\n"
               "    function.restype, function.argtypes = result, arguments\n"
               "    return function  # type: ignore[no-any-return]\n\n\n")
    for result, name, arguments in header.functions:
        items = [f'"{name}"', header.type(result), *header.arguments(arguments)]
        out.append(wrapped(f"{name} = _function(", items, ")"))
    return "".join(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    text = module(Header(HEADER.read_text()))
    if not args.check:
        OUTPUT.write_text(text)
    elif OUTPUT.read_text() != text:
        sys.exit(f"{OUTPUT} is not what {HEADER} says: run {__file__}")


if __name__ == "__main__":
    main()
