"""Puts libwsock.so and the glue into the wheel, and names the platform that they are for.

The wheel serves every CPython from 3.8 on: nothing in it is linked with Python. WSOCK_LIBRARY names a library that is built
already; else cargo builds it. WSOCK_GLIBC=2.17 builds it for systems with a glibc as old as that, with zig for a linker
(pip install cargo-zigbuild ziglang).
"""
import os
import pathlib
import platform
import re
import subprocess
import sys

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

HERE = pathlib.Path(__file__).resolve().parents[1]
ROOT = HERE.parents[1]
#: The oldest glibc that it has to run on; that of this machine, else.
GLIBC = os.environ.get("WSOCK_GLIBC")


def library():
    """libwsock.so, built if need be."""
    given = os.environ.get("WSOCK_LIBRARY")
    if given:
        return pathlib.Path(given)
    cargo = os.environ.get("CARGO", "cargo")
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    if not GLIBC:
        subprocess.run([cargo, "build", "--release", "--lib"], cwd=ROOT, check=True, env=environment)
        return target / "release/libwsock.so"
    triple = f"{platform.machine()}-unknown-linux-gnu"
    # It looks for a python3 that has zig.
    here = pathlib.Path(sys.executable).parent
    environment["PATH"] = f"{here}{os.pathsep}{environment['PATH']}"
    command = [str(here / "cargo-zigbuild"), "zigbuild", "--release", "--lib", "--target", f"{triple}.{GLIBC}"]
    subprocess.run(command, cwd=ROOT, check=True, env=environment)
    return target / triple / "release/libwsock.so"


def glue(output):
    """The glue, compiled."""
    output.parent.mkdir(parents=True, exist_ok=True)
    flags = ["-std=c99", "-O2", "-Wall", "-Wextra", "-fPIC", "-fvisibility=hidden", "-shared"]
    compiler = [os.environ.get("CC", "cc")]
    if GLIBC:
        compiler = [sys.executable, "-m", "ziglang", "cc", "-target", f"{platform.machine()}-linux-gnu.{GLIBC}"]
    subprocess.run([*compiler, *flags, str(HERE / "glue/glue.c"), "-o", str(output)], check=True)
    return output


def stripped(source, output):
    """A copy without what only debuggers read."""
    output.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([os.environ.get("STRIP", "strip"), "--strip-unneeded", "-o", str(output), str(source)], check=True)
    return output


def glibc_of(*files):
    """The oldest glibc that these run on: the newest version of it that one of their symbols asks for."""
    found = {(2, 17)}
    for file in files:
        text = subprocess.run(["readelf", "--version-info", "--wide", str(file)], check=True, stdout=subprocess.PIPE, text=True).stdout
        found |= {(int(major), int(minor)) for major, minor in re.findall(r"GLIBC_(\d+)\.(\d+)", text)}
    return max(found)


class Hook(BuildHookInterface):
    """Called by hatchling."""

    PLUGIN_NAME = "custom"

    def initialize(self, version, build_data):
        output = pathlib.Path(self.directory) / "native"
        parts = {
            "libwsock.so": stripped(library(), output / "libwsock.so"),
            "_wsockglue.so": stripped(glue(output / "glue.so"), output / "_wsockglue.so"),
        }
        major, minor = glibc_of(*parts.values())
        if GLIBC and f"{major}.{minor}" != GLIBC:
            raise RuntimeError(f"it is to run on glibc {GLIBC}, and needs {major}.{minor}")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-manylinux_{major}_{minor}_{platform.machine()}"
        build_data["force_include"].update({str(path): f"wsock/{name}" for name, path in parts.items()})
