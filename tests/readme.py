#!/usr/bin/env python3
"""Do what README.md says: compile its client, run its shell lines, word for word.

The lines run in a directory of their own, as a reader's would: `libwsock` there is this checkout, and the
library is installed in a PREFIX below it. `make` lines are only checked for their targets, since `make run` does not
end and `make test` runs this.
"""
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
WORK = ROOT / "target" / "readme"
PREFIX = WORK / "prefix"


def fail(what):
    sys.exit("tests/readme.py: " + what)


def run(line, **kwargs):
    env = {**os.environ, "PKG_CONFIG_PATH": str(PREFIX / "lib" / "pkgconfig"), "LD_LIBRARY_PATH": str(PREFIX / "lib")}
    done = subprocess.run(["bash", "-euc", line], cwd=WORK, env=env, text=True, capture_output=True, timeout=120, **kwargs)
    if done.returncode != 0:
        fail("this line of README.md ends with status %d: %s\n%s" % (done.returncode, line, done.stderr))
    return done.stdout


def say_hello():
    """Run the program that was just linked against the echo server."""
    server = subprocess.Popen([ROOT / "target/c/echo_server"], stdout=subprocess.PIPE, text=True)
    try:
        url = server.stdout.readline().split()[-1]
        if run("./client " + url) != "hello\n":
            fail("the client does not print the echo")
    finally:
        server.terminate()
    if server.wait(timeout=20) != 0:
        fail("the echo server's exit status is %s" % server.returncode)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main():
    for program, package in [("gcc", "gcc libc6-dev"), ("pkg-config", "pkg-config")]:
        if not shutil.which(program):
            fail("%s is needed: apt-get install %s" % (program, package))
    text = (ROOT / "README.md").read_text()
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)
    if text.count("\n```") != 2 * len(blocks):
        fail("a fenced block is not closed")
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    (WORK / "libwsock").symlink_to(ROOT)
    subprocess.run([ROOT / "packaging/install.sh"], check=True, stdout=subprocess.DEVNULL,
                   env={**{k: v for k, v in os.environ.items() if k not in ("DESTDIR", "LIBDIR", "INCLUDEDIR")},
                        "PREFIX": str(PREFIX)})

    linked = 0
    for language, body in blocks:
        lines = [line.split(" # ")[0].rstrip() for line in body.splitlines() if line.strip()]
        if language == "c":
            (WORK / "client.c").write_text(body)
            count = len(lines)
            if count > 22:
                fail("the 20-line client has %d lines" % count)
            run("gcc -std=c99 -Wall -Wextra -Wpedantic -Werror -I libwsock/include -c client.c -o /dev/null")
        elif language != "sh":
            fail("nobody tests a block of %r" % language)
        elif lines[0].startswith("make "):
            for line in lines:
                run("cd libwsock && %s -n >/dev/null" % line)
        elif lines[0].startswith("gcc "):
            for line in lines:
                (WORK / "client").unlink(missing_ok=True)
                run(line)
                say_hello()
                linked += 1
        else:
            # Starts the server in the background: give it a moment and a port that is free, end it with the block.
            script = "\nsleep 0.5\n".join(lines).replace("9001", str(free_port()))
            if run("trap 'kill $(jobs -p)' EXIT\n" + script).splitlines()[-1:] != ["hello"]:
                fail("the last block does not print the echo")
    if linked < 3:
        fail("only %d link lines were found" % linked)
    print("readme: %d blocks, %d link lines work as written" % (len(blocks), linked))


if __name__ == "__main__":
    main()
