"""Tasks that wait for messages: they are run in the turn in which these arrive, and are tasks like any others."""
import asyncio
import contextlib
import contextvars
import sys
import threading

import pytest

import wsock
import wsock.sync
from conftest import pair

NAME = contextvars.ContextVar("NAME", default="nobody")


@contextlib.asynccontextmanager
async def two(server):
    """Two clients of one server that sends to both at once."""
    async with wsock.connect(server.url) as first, wsock.connect(server.url) as second:
        while len(server.connections) < 2:
            await asyncio.sleep(0)
        yield first, second


def test_a_task_goes_on_in_its_own_context(run):
    async def receive(ws, name):
        NAME.set(name)
        assert await ws.recv() == "echo"
        return NAME.get(), asyncio.current_task().get_name()

    async def main():
        async with pair() as ws:
            task = asyncio.ensure_future(receive(ws, "me"))
            task.set_name("mine")
            await asyncio.sleep(0)
            await ws.send("echo")
            assert await task == ("me", "mine")
            assert NAME.get() == "nobody"

    run(main())


@pytest.mark.parametrize("kind", ["C", "Python"])
def test_one_that_is_woken_cancels_the_other(run, kind):
    async def main():
        if kind == "Python":
            asyncio.get_running_loop().set_task_factory(lambda loop, coro, **more: asyncio.tasks._PyTask(coro, loop=loop, **more))

        async def handler(ws):
            await ws.wait_closed()

        async with wsock.serve(handler, "127.0.0.1", 0) as server, two(server) as clients:
            tasks = []

            async def receive(ws, other):
                message = await ws.recv()
                tasks[other].cancel()
                return message

            tasks += [asyncio.ensure_future(receive(clients[0], 1)), asyncio.ensure_future(receive(clients[1], 0))]
            await asyncio.sleep(0)
            wsock.broadcast(server.connections, "to both")
            done = await asyncio.gather(*tasks, return_exceptions=True)
            came = [it for it in done if it == "to both"]
            cancelled = [it for it in done if isinstance(it, asyncio.CancelledError)]
            # Whoever was later was cancelled before it had run, or had run already.
            assert len(came) + len(cancelled) == 2 and came, done
            for ws, outcome in zip(clients, done):
                if outcome != "to both":
                    assert await ws.recv() == "to both"

    run(main())


def test_who_was_cancelled_before_it_was_woken_leaves_what_came(run):
    async def main():
        async with pair() as ws:
            for n in range(3):
                task = asyncio.ensure_future(ws.recv())
                await asyncio.sleep(0)
                task.cancel(*(["enough"] if sys.version_info >= (3, 9) else []))
                await ws.send(str(n))
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert await ws.recv() == str(n)

    run(main())


def test_who_waits_keeps_its_place_when_another_takes_what_came(run):
    async def main():
        async def handler(ws):
            await ws.wait_closed()

        async with wsock.serve(handler, "127.0.0.1", 0) as server, two(server) as clients:
            async def receive(mine, others):
                messages = [await mine.recv(), await others.recv()]
                return [*messages, await others.recv()]

            # Both have come; the first to run takes the other's message, too, and cannot wait for one more.
            tasks = [asyncio.ensure_future(receive(*clients)), asyncio.ensure_future(receive(*reversed(clients)))]
            await asyncio.sleep(0)
            wsock.broadcast(server.connections, "first")
            done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            with pytest.raises(wsock.ConcurrencyError):
                await done.pop()
            wsock.broadcast(server.connections, "second")
            wsock.broadcast(server.connections, "third")
            assert await waiting.pop() == ["second", "second", "third"]

    run(main())


def test_what_a_woken_task_raises_is_its_own(run):
    async def receive(ws):
        raise LookupError(await ws.recv())

    async def main():
        async with pair() as ws:
            task = asyncio.ensure_future(receive(ws))
            await asyncio.sleep(0)
            await ws.send("raised")
            with pytest.raises(LookupError, match="raised"):
                await task
            await ws.send("and on")
            assert await ws.recv() == "and on"

    run(main())


def test_what_was_sent_before_ctrl_c_leaves():
    async def handler(ws):
        await ws.send("before " + await ws.recv())
        raise KeyboardInterrupt

    loop = asyncio.new_event_loop()
    try:
        server = loop.run_until_complete(wsock.serve(handler, "127.0.0.1", 0).__aenter__())
        got = []

        def client():
            with wsock.sync.connect(server.url, close_timeout=0.1) as ws:
                ws.send("it")
                got.append(ws.recv(timeout=5))

        thread = threading.Thread(target=client)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(asyncio.sleep(5))
        # The loop stands still.
        thread.join()
        assert got == ["before it"]
        server.close()
        loop.run_until_complete(server.wait_closed())
    finally:
        loop.close()
