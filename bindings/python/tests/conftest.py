"""What all tests use. They run over the glue and, with WSOCK_PURE=1, over ctypes alone; each test of asyncio on both loops."""
import asyncio
import contextlib
import gc
import shutil
import signal
import subprocess
import sys

import pytest

import wsock

try:
    import uvloop
except ImportError:
    uvloop = None

# A shell that has started this in the background has it ignored, and all that is started from here.
signal.signal(signal.SIGINT, signal.default_int_handler)

LOOPS = ["asyncio"] + (["uvloop"] if uvloop else [])


@pytest.fixture(params=LOOPS)
def run(request):
    """Runs a coroutine to its end, with nothing left over: no task, no native loop, and no exception that nobody saw."""

    def run(main, timeout=30):
        problems = []

        async def watched():
            asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
            try:
                await asyncio.wait_for(main, timeout)
            finally:
                for _ in range(3):
                    await asyncio.sleep(0)
                gc.collect()
            left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            assert not left, left
            assert not wsock.asyncio.runner._runners, "a native loop is left"

        loop = uvloop.new_event_loop() if request.param == "uvloop" else asyncio.new_event_loop()
        try:
            loop.run_until_complete(watched())
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()
        assert not problems, problems

    return run


async def echo(ws):
    async for message in ws:
        await ws.send(message)


@contextlib.asynccontextmanager
async def pair(handler=echo, server=None, client=None):
    """A client of a server, both of this package."""
    async with wsock.serve(handler, "127.0.0.1", 0, **(server or {})) as serving:
        async with wsock.connect(serving.url, **(client or {})) as ws:
            yield ws


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A certificate for localhost and 127.0.0.1: (certificate, key)."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not here: apt-get install openssl")
    where = tmp_path_factory.mktemp("tls")
    cert, key = where / "cert.pem", where / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "9",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-keyout", str(key), "-out", str(cert)], check=True, stderr=subprocess.DEVNULL)
    return cert, key


@pytest.fixture(scope="session")
def client_certificate(certificate, tmp_path_factory):
    """One that the other vouches for: (certificate, key)."""
    where = tmp_path_factory.mktemp("tls-client")
    cert, key, asked, more = (where / name for name in ("cert.pem", "key.pem", "asked.pem", "extensions"))
    more.write_text("extendedKeyUsage=clientAuth\n")
    subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
                    "/CN=client", "-keyout", str(key), "-out", str(asked)], check=True, stderr=subprocess.DEVNULL)
    subprocess.run(["openssl", "x509", "-req", "-in", str(asked), "-CA", str(certificate[0]), "-CAkey", str(certificate[1]),
                    "-CAcreateserial", "-days", "9", "-extfile", str(more), "-out", str(cert)], check=True,
                   stderr=subprocess.DEVNULL)
    return cert, key


def script(code, *args, timeout=60, **more):
    """Runs a program of its own: what it printed, and how it ended."""
    done = subprocess.run([sys.executable, "-X", "dev", "-c", code, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=timeout, **more)
    return done.returncode, done.stdout
