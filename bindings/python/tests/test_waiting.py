"""Tasks that wait for messages: they are run in the turn in which these arrive, and are tasks like any others."""
import asyncio
import contextvars

import pytest

import wsock
from conftest import pair

NAME = contextvars.ContextVar("NAME", default="nobody")


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

        async with wsock.serve(handler, "127.0.0.1", 0) as server:
            async for clients in two(server):
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


def test_waiting_is_cancelled_and_begun_again(run):
    async def main():
        async with pair() as ws:
            for n in range(3):
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(ws.recv(), 0.01)
                task = asyncio.ensure_future(ws.recv())
                await asyncio.sleep(0)
                # Cancelled and woken in one turn: what came is there for the next.
                task.cancel("enough")
                with pytest.raises(asyncio.CancelledError):
                    await task
                await ws.send(str(n))
                assert await ws.recv() == str(n)

    run(main())


def test_somebody_else_waits_before_the_first_has_run(run):
    async def main():
        async with pair() as ws:
            first = asyncio.ensure_future(ws.recv())
            await asyncio.sleep(0)
            with pytest.raises(wsock.ConcurrencyError):
                await ws.recv()
            await ws.send("one")
            assert await first == "one"
            await ws.send("two")
            assert await ws.recv() == "two"

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
