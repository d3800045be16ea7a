"""What happens to connections when Python goes: the end of the process, forks, collected objects."""
import asyncio
import gc
import os
import sys

import pytest

import wsock
from conftest import LOOPS, script

SERVER = """
import asyncio, wsock
async def echo(ws):
    async for message in ws:
        await ws.send(message)
"""


def test_the_glue_is_what_the_tests_think_it_is():
    code, out = script("from wsock import _glue; print(_glue.make is not None)")
    assert code == 0 and out == f"{os.environ.get('WSOCK_PURE') != '1'}\n", out


def test_what_nobody_asks_for_is_not_loaded():
    code, out = script("""
import sys, wsock, wsock.sync
print("asyncio" in sys.modules)
print([name for name in wsock.__all__ if name not in dir(wsock) or getattr(wsock, name) is None])
print("asyncio" in sys.modules, wsock.connect is wsock.asyncio.connect, wsock.hub.Hub is wsock.Hub)
try:
    wsock.conect
except AttributeError as error:
    print(error)
""")
    assert code == 0, out
    assert out.splitlines() == ["False", "[]", "True True True", "module 'wsock' has no attribute 'conect'"], out


def test_ending_with_open_connections():
    code, out = script(SERVER + """
async def main():
    global server, ws
    server = await wsock.serve(echo, "127.0.0.1", 0)
    ws = await wsock.connect(server.url)
    await ws.send("hello")
    print(await ws.recv())
asyncio.run(main())
""")
    assert code == 0 and "hello\n" in out and "Traceback" not in out, out
    assert "ResourceWarning: unclosed <Server ws://127.0.0.1:" in out, out


def test_ending_with_open_connections_of_threads():
    code, out = script("""
import threading
from wsock.sync import connect, serve
def echo(ws):
    for message in ws:
        ws.send(message)
server = serve(echo, "127.0.0.1", 0)
threading.Thread(target=server.serve_forever, daemon=True).start()
ws = connect(server.url)
ws.send("hello")
print(ws.recv())
threading.Thread(target=ws.recv, daemon=True).start()
""")
    assert code == 0 and out.startswith("hello\n") and "Fatal" not in out, out


def test_one_loop_after_the_other():
    code, out = script(SERVER + """
async def main():
    server = await wsock.serve(echo, "127.0.0.1", 0)
    ws = await wsock.connect(server.url)
    await ws.send("hello")
    return await ws.recv()
import warnings
warnings.simplefilter("ignore")
for _ in range(20):
    assert asyncio.run(main()) == "hello"
print(len(wsock.asyncio.runner._runners) < 3)
""")
    assert code == 0 and "True\n" in out, out


@pytest.mark.skipif(sys.platform != "linux", reason="forks")
def test_a_fork_has_loops_of_its_own():
    code, out = script(SERVER + """
import os, sys, warnings
warnings.simplefilter("ignore")
async def child(url):
    async with wsock.connect(url) as ws:
        await ws.send("from the child")
        return await ws.recv()
async def main():
    async with wsock.serve(echo, "127.0.0.1", 0) as server:
        async with wsock.connect(server.url) as ws:
            pid = os.fork()
            if pid == 0:
                asyncio.events._set_running_loop(None)
                told = asyncio.new_event_loop().run_until_complete(child(server.url))
                sys.stdout.write(told + "\\n")
                sys.stdout.flush()
                os._exit(0)
            while os.waitpid(pid, os.WNOHANG) == (0, 0):
                await asyncio.sleep(0.01)
            await ws.send("from the parent")
            print(await ws.recv())
asyncio.run(main())
""")
    assert code == 0 and "from the child\n" in out and out.endswith("from the parent\n"), out


@pytest.mark.parametrize("loop", LOOPS)
def test_a_program_is_started_while_serving(loop):
    # uvloop runs Python's functions for after a fork before the library has noticed that there is one.
    code, out = script(SERVER + """
import sys
async def main():
    async with wsock.serve(echo, "127.0.0.1", 0) as server:
        async with wsock.connect(server.url) as ws:
            program = await asyncio.create_subprocess_exec(sys.executable, "-c", "print('started')", stdout=-1)
            print((await program.communicate())[0].decode(), end="")
            await ws.send("still here")
            print(await ws.recv())
""" + {"asyncio": "asyncio.run(main())", "uvloop": "import uvloop; uvloop.install(); asyncio.run(main())"}[loop])
    assert code == 0 and out == "started\nstill here\n", out


def test_ctrl_c_while_serving():
    code, out = script(SERVER + """
import os, signal, threading
async def main():
    async with wsock.serve(echo, "127.0.0.1", 0) as server:
        ws = await wsock.connect(server.url)
        threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        await ws.recv()
try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted")
""")
    assert code == 0 and out.endswith("interrupted\n"), out


def test_a_fork_while_a_thread_waits():
    code, out = script("""
import gc, os, threading, time, warnings
warnings.simplefilter("ignore")
from wsock.sync import connect, serve
def echo(ws):
    for message in ws:
        ws.send(message)
server = serve(echo, "127.0.0.1", 0)
threading.Thread(target=server.serve_forever, daemon=True).start()
ws = connect(server.url)
waiting = threading.Thread(target=lambda: print(ws.recv(), flush=True))
waiting.start()
time.sleep(0.1)
pid = os.fork()
if pid == 0:
    del ws, server
    gc.collect()
    print("child", flush=True)
    os._exit(0)
os.waitpid(pid, 0)
ws.send("parent")
waiting.join(10)
ws.close()
""")
    assert code == 0 and out == "child\nparent\n", out


def test_a_loop_that_is_closed_with_a_connection_open():
    code, out = script("""
import asyncio, threading, wsock
from wsock.sync import serve
ended = threading.Event()
def handler(ws):
    try:
        ws.recv()
    except wsock.ConnectionClosed:
        ended.set()
server = serve(handler, "127.0.0.1", 0)
threading.Thread(target=server.serve_forever, daemon=True).start()
async def main():
    await wsock.connect(server.url)
asyncio.run(main())
async def other():
    async with wsock.connect(server.url):
        pass
asyncio.run(other())
print(ended.wait(10))
""")
    assert code == 0 and "ResourceWarning: unclosed <ClientConnection" in out and out.endswith("True\n"), out


def test_a_client_that_is_dropped_is_closed(run):
    async def main():
        ended = asyncio.Event()

        async def handler(ws):
            try:
                async for message in ws:
                    await ws.send(message)
            finally:
                assert ws.close_code == 1000
                ended.set()

        async with wsock.serve(handler, "127.0.0.1", 0) as server:
            ws = await wsock.connect(server.url)
            gc.collect()
            await ws.send("still here")
            assert await ws.recv() == "still here"
            # Somebody waits for it.
            waiting = asyncio.ensure_future(ws.recv())
            await asyncio.sleep(0)
            post = ws.send
            del ws
            gc.collect()
            await post("and now")
            assert await waiting == "and now"
            del post
            with pytest.warns(ResourceWarning, match="unclosed <ClientConnection"):
                # What the last call has left behind goes first.
                await asyncio.sleep(0)
                gc.collect()
            await asyncio.wait_for(ended.wait(), 10)

    run(main())
