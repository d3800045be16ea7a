"""The browser's WebSocket: constants and rules of the standard."""
import asyncio

import pytest

import wsock
from conftest import echo
from wsock.whatwg import DOMException, WebSocket


def events_of(ws, log, done):
    for name in ("open", "message", "error", "close"):
        ws.addEventListener(name, lambda event: log.append(event.type))
    ws.addEventListener("close", lambda event: done.set_result(event))


def test_a_connection_from_beginning_to_end(run):
    async def main():
        async with wsock.serve(echo, "127.0.0.1", 0, subprotocols=["chat"]) as server:
            log, done = [], asyncio.get_running_loop().create_future()
            ws = WebSocket(server.url, ["chat"])
            assert ws.readyState == WebSocket.CONNECTING == ws.CONNECTING == 0
            assert (ws.OPEN, ws.CLOSING, ws.CLOSED) == (1, 2, 3)
            assert ws.url == server.url and ws.protocol == ws.extensions == "" and ws.bufferedAmount == 0
            with pytest.raises(DOMException) as caught:
                ws.send("too early")
            assert caught.value.name == "InvalidStateError"
            events_of(ws, log, done)
            data = []

            def on_message(event):
                data.append(event.data)
                assert event.origin == server.url.rstrip("/") and event.target is ws
                if len(data) == 3:
                    ws.close(3001, "bye")
                    assert ws.readyState == ws.CLOSING
                    ws.close()

            def on_open(event):
                assert ws.readyState == ws.OPEN and ws.protocol == "chat" and "permessage-deflate" in ws.extensions
                ws.send("text")
                ws.send(b"bytes")
                ws.binaryType = "no such type"
                assert ws.binaryType == "blob"
                ws.send("\ud800")

            ws.onopen, ws.onmessage = on_open, on_message
            close = await done
            assert data == ["text", b"bytes", "\ufffd"]
            assert (close.code, close.reason, close.wasClean, close.type) == (3001, "", True, "close")
            assert log == ["open", "message", "message", "message", "close"]
            assert ws.readyState == ws.CLOSED
            ws.send("discarded")
            assert ws.bufferedAmount == 9

    run(main())


def test_binary_as_an_arraybuffer(run):
    async def main():
        async with wsock.serve(echo, "127.0.0.1", 0) as server:
            got, done = asyncio.get_running_loop().create_future(), asyncio.get_running_loop().create_future()
            ws = WebSocket(server.url)
            ws.binaryType = "arraybuffer"
            ws.onopen = lambda event: ws.send(memoryview(b"abc"))
            ws.onmessage = lambda event: got.set_result(event.data)
            ws.onclose = done.set_result
            data = await got
            assert isinstance(data, bytearray) and data == b"abc"
            ws.close()
            assert (await done).code == 1005

    run(main())


def test_a_connection_that_fails(run):
    async def main():
        log, done = [], asyncio.get_running_loop().create_future()
        ws = WebSocket("ws://127.0.0.1:1/")
        events_of(ws, log, done)
        close = await done
        assert log == ["error", "close"] and (close.code, close.reason, close.wasClean) == (1006, "", False)

    run(main())


def test_closing_before_it_is_open(run):
    async def main():
        async with wsock.serve(echo, "127.0.0.1", 0) as server:
            log, done = [], asyncio.get_running_loop().create_future()
            ws = WebSocket(server.url)
            events_of(ws, log, done)
            ws.close()
            assert ws.readyState == ws.CLOSING
            assert (await done).code == 1006 and log == ["error", "close"]

    run(main())


@pytest.mark.parametrize("arguments", [("nothing",), ("ws://x/#f",), ("ftp://x/",), ("ws://x/", ["a", "a"]), ("ws://x/", "a b")])
def test_syntax_errors(run, arguments):
    async def main():
        with pytest.raises(DOMException) as caught:
            WebSocket(*arguments)
        assert caught.value.name == "SyntaxError"
        await asyncio.sleep(0)

    run(main())


def test_codes_and_reasons(run):
    async def main():
        async with wsock.serve(echo, "127.0.0.1", 0) as server:
            done = asyncio.get_running_loop().create_future()
            ws = WebSocket(server.url)
            ws.onclose = done.set_result
            for code in (999, 1001, 2999, 5000):
                with pytest.raises(DOMException) as caught:
                    ws.close(code)
                assert caught.value.name == "InvalidAccessError"
            with pytest.raises(DOMException) as caught:
                ws.close(1000, "x" * 124)
            assert caught.value.name == "SyntaxError"
            ws.close()
            await done

    run(main())


def test_listeners(run):
    async def main():
        loop = asyncio.get_running_loop()
        problems = []
        loop.set_exception_handler(lambda _, context: problems.append(context["exception"]))
        async with wsock.serve(lambda ws: ws.send("hello"), "127.0.0.1", 0) as server:
            calls, done = [], loop.create_future()
            ws = WebSocket(server.url)

            def first(event):
                calls.append("first")
                raise LookupError("in a listener")

            def second(event):
                calls.append("second")

            def third(event):
                calls.append("third")

            ws.addEventListener("message", first)
            ws.addEventListener("message", second)
            ws.addEventListener("message", second)
            ws.addEventListener("message", third)
            ws.removeEventListener("message", third)
            ws.onclose = done.set_result
            assert (await done).code == 1000
            assert calls == ["first", "second"] and [str(it) for it in problems] == ["in a listener"]

    run(main())


def test_nothing_is_told_after_close_was_called(run):
    async def main():
        async def flood(ws):
            for number in range(100):
                await ws.send(str(number))

        async with wsock.serve(flood, "127.0.0.1", 0) as server:
            got, done = [], asyncio.get_running_loop().create_future()
            ws = WebSocket(server.url)

            def on_message(event):
                got.append(event.data)
                ws.close()

            ws.onmessage, ws.onclose = on_message, done.set_result
            await done
            assert got == ["0"]

    run(main())
