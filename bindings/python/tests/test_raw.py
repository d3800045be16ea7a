"""The fast path."""
import asyncio
import socket
import threading

import pytest

import wsock
from wsock import raw


def test_messages_and_events(run):
    async def main():
        log = []
        done = asyncio.get_running_loop().create_future()

        def on_message(ws, data):
            log.append(data)
            if len(log) == 5:
                done.set_result(None)

        opened = []
        async with raw.serve(lambda ws, data: ws.send(data), "127.0.0.1", 0) as server:
            async with raw.connect(server.url, on_message, on_open=opened.append,
                                   on_close=lambda ws, code, reason: log.append((code, reason))) as ws:
                assert opened == [ws] and len(server.connections) == 1
                for data in ("text", b"binary", bytearray(b"array"), "", "ü" * 100_000):
                    assert ws.send(data) in (0, 1)
                await done
            assert log == ["text", b"binary", b"array", "", "ü" * 100_000, (1000, "")]
            with pytest.raises(wsock.ConnectionClosedOK):
                ws.send("late")

    run(main())


def test_text_as_bytes(run):
    async def main():
        got = asyncio.get_running_loop().create_future()
        async with raw.serve(lambda ws, data: ws.send(data), "127.0.0.1", 0) as server:
            async with raw.connect(server.url, lambda ws, data: got.set_result(data), text_as_bytes=True) as ws:
                ws.send("grüße")
                assert await got == "grüße".encode()

    run(main())


def test_ctrl_c_leaves_nothing_untold():
    got = []

    def on_message(ws, data):
        got.append(data)
        if data == "1":
            raise KeyboardInterrupt

    async def begin():
        server = await raw.serve(lambda ws, data: ws.send(data), "127.0.0.1", 0)
        ws = await raw.connect(server.url, on_message)
        for number in range(5):
            ws.send(str(number))
        return server, ws

    async def end(server, ws):
        # Nothing comes from outside any more.
        await asyncio.sleep(0.2)
        assert got == [str(number) for number in range(5)]
        ws.close()
        await ws.wait_closed()
        server.close()
        await server.wait_closed()

    loop = asyncio.new_event_loop()
    try:
        server, ws = loop.run_until_complete(begin())
        waiting = loop.create_task(asyncio.sleep(10))
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(waiting)
        assert got == ["0", "1"]
        waiting.cancel()
        loop.run_until_complete(end(server, ws))
    finally:
        loop.close()


def test_an_exception_goes_to_the_loop_and_the_next_message_comes(run):
    async def main():
        problems, got = [], []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: problems.append(context["exception"]))
        done = loop.create_future()

        def on_message(ws, data):
            got.append(data)
            if data == "9":
                done.set_result(None)
            if int(data) % 2:
                raise LookupError(data)

        async with raw.serve(lambda ws, data: ws.send(data), "127.0.0.1", 0) as server:
            async with raw.connect(server.url, on_message) as ws:
                for number in range(10):
                    ws.send(str(number))
                await done
                await asyncio.sleep(0.01)
        assert got == [str(number) for number in range(10)]
        assert [str(it) for it in problems] == ["1", "3", "5", "7", "9"]

    run(main())


def test_what_is_sent_outside_of_a_handler_leaves_too(run):
    async def main():
        got = asyncio.Queue()
        async with raw.serve(lambda ws, data: ws.send(data), "127.0.0.1", 0) as server:
            async with raw.connect(server.url, lambda ws, data: got.put_nowait(data)) as ws:
                for number in range(20):
                    ws.send(str(number))
                    assert await got.get() == str(number)
                    await asyncio.sleep(0.001)

    run(main())


def test_closing_inside_of_a_handler(run):
    async def main():
        def on_message(ws, data):
            ws.send("last")
            ws.close(4000, "enough")
            ws.close()
            with pytest.raises(wsock.ConnectionClosed):
                ws.send("too late")

        got, end = [], asyncio.get_running_loop().create_future()
        async with raw.serve(on_message, "127.0.0.1", 0) as server:
            ws = await raw.connect(server.url, lambda ws, data: got.append(data),
                                   on_close=lambda ws, code, reason: end.set_result((code, reason)))
            ws.send("go")
            assert await end == (4000, "enough") and got == ["last"]

    run(main())


def test_full_and_drained(run):
    async def main():
        loop = asyncio.get_running_loop()
        drained = loop.create_future()
        async with raw.serve(lambda ws, data: None, "127.0.0.1", 0, max_size=1 << 25) as server:
            async with raw.connect(server.url, lambda ws, data: None,
                                   on_drain=lambda ws: drained.done() or drained.set_result(None), compression=None) as ws:
                assert ws.send(bytes(1 << 24)) == 1 and ws.buffered_amount > 0
                await drained
                # The default of WSOCK_OPT_LOW_WATER.
                assert ws.buffered_amount <= 256 * 1024
                while ws.buffered_amount:
                    await asyncio.sleep(0)
                with pytest.raises(TypeError):
                    ws.send(1)

    run(main())


def test_pause_and_resume(run):
    async def main():
        got = []
        async with raw.serve(lambda ws, data: ws.send(data), "127.0.0.1", 0) as server:
            async with raw.connect(server.url, lambda ws, data: got.append(data)) as ws:
                ws.pause()
                ws.send("a")
                await asyncio.sleep(0.05)
                assert got == []
                ws.resume()
                await asyncio.sleep(0.05)
                assert got == ["a"]

    run(main())


def test_nobody_is_there(run):
    async def main():
        with pytest.raises(ConnectionRefusedError):
            await raw.connect("ws://127.0.0.1:1/", lambda ws, data: None)

    run(main())


def test_an_exception_of_on_close_hangs_nobody(run):
    async def main():
        problems = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(str(context["exception"])))

        def on_close(ws, code, reason):
            raise LookupError("at the end")

        async with raw.serve(lambda ws, data: ws.send(data), "127.0.0.1", 0, on_close=on_close) as server:
            async with raw.connect(server.url, lambda ws, data: None, on_close=on_close):
                pass
        assert problems == ["at the end"] * 2

    run(main())


def test_views(run):
    async def main():
        kept = []
        done = asyncio.get_running_loop().create_future()
        messages = [b"binary", "text", bytes(range(256)) * 400, b""] + [bytes([number]) * 50_000 for number in range(100)]

        def on_message(ws, view):
            assert isinstance(view, memoryview) and view.readonly and view.format == "B"
            # Of each second one only a part is kept.
            kept.append(view if len(kept) % 2 else view[1:])
            if len(kept) == len(messages):
                done.set_result(None)

        async with raw.serve(lambda ws, data: ws.send(data), "127.0.0.1", 0, views=True) as server:
            async with raw.connect(server.url, on_message, views=True, compression=None) as ws:
                for message in messages:
                    ws.send(message)
                await done
            # The memory would have been used again many times by now.
            for number, (message, view) in enumerate(zip(messages, kept)):
                data = message.encode() if isinstance(message, str) else message
                assert bytes(view) == (data if number % 2 else data[1:])
        kept.clear()

    run(main())


MANY = ["a", "ü" * 300, "", "end"]


def test_lists_and_many_at_once(run):
    async def main():
        got, lists, done = [], [], asyncio.get_running_loop().create_future()
        kinds = [MANY, [text.encode() for text in MANY], ("text", b"binary", bytearray(b"array")), (str(n) for n in range(300)),
                 [memoryview(b"four").cast("I"), b"one"], ["alone"], []]
        sent = [message for kind in [*kinds[:3], map(str, range(300)), [b"four", b"one"], ["alone"]] for message in kind]

        def on_messages(ws, messages):
            assert type(messages) is list and messages
            lists.append(len(messages))
            got.extend(messages)
            if len(got) == len(sent):
                done.set_result(None)

        def echo(ws, messages):
            assert ws.send_many(messages) == 0

        async with raw.serve(echo, "127.0.0.1", 0, lists=True) as server:
            async with raw.connect(server.url, on_messages, lists=True) as ws:
                for messages in kinds:
                    assert ws.send_many(messages) == 0
                await done
        assert got == sent
        assert max(lists) > 10, lists

    run(main())


def test_a_list_that_is_refused_in_part(run):
    async def main():
        got, closed = asyncio.Queue(), asyncio.get_running_loop().create_future()
        async with raw.serve(lambda ws, data: got.put_nowait(data), "127.0.0.1", 0) as server:
            ws = await raw.connect(server.url, None, on_close=lambda *_: closed.set_result(None))
            for messages, error in ((["a", "b", "\ud800", "c"], UnicodeEncodeError), ([b"a", b"b", 7, b"c"], TypeError)):
                with pytest.raises(error) as refused:
                    ws.send_many(messages)
                assert refused.value.taken == 2
                assert [await got.get(), await got.get()] == messages[:2]
            for no_list in ("text", b"bytes", 7):
                with pytest.raises(TypeError):
                    ws.send_many(no_list)
            ws.close()
            with pytest.raises(wsock.ConnectionClosed) as refused:
                ws.send_many(["too", "late"])
            assert refused.value.taken == 0
            await closed
            with pytest.raises(wsock.ConnectionClosedOK) as refused:
                ws.send_many(["too", "late"])
            assert refused.value.taken == 0 and got.empty()

    run(main())


def test_a_queue_that_is_full_takes_part_of_a_list(run):
    async def main():
        async with raw.serve(lambda ws, data: None, "127.0.0.1", 0, max_size=None) as server:
            async with raw.connect(server.url, None, compression=None) as ws:
                message = bytes(1 << 20)
                with pytest.raises(RuntimeError, match="wait to be sent") as refused:
                    for _ in range(10):
                        status = ws.send_many([message] * 16)
                assert status == 1 and 0 <= refused.value.taken < 16
                ws.abort()
                await ws.wait_closed()

    run(main())


def test_lists_of_views_and_of_text_as_bytes(run):
    async def main():
        for settings, kind in (({"views": True}, memoryview), ({"text_as_bytes": True}, bytes)):
            got, done = [], asyncio.get_running_loop().create_future()

            def on_messages(ws, messages):
                got.extend(messages)
                if len(got) == 3:
                    done.set_result(None)

            async with raw.serve(lambda ws, data: ws.send(data), "127.0.0.1", 0) as server:
                async with raw.connect(server.url, on_messages, lists=True, **settings) as ws:
                    ws.send_many(["one", "two", "three"])
                    await done
            assert [type(it) for it in got] == [kind] * 3
            assert [bytes(it) for it in got] == [b"one", b"two", b"three"]

    run(main())


def test_exceptions_of_who_is_given_lists(run):
    async def main():
        problems, got, done = [], [], asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(str(context["exception"])))

        def on_messages(ws, messages):
            got.extend(messages)
            if len(got) == 20:
                done.set_result(None)
            raise LookupError(messages[0])

        async with raw.serve(lambda ws, data: ws.send(data), "127.0.0.1", 0) as server:
            first, second = [await raw.connect(server.url, on_messages, lists=True) for _ in range(2)]
            for number in range(10):
                first.send(f"first {number}")
                second.send(f"second {number}")
            await done
            await asyncio.sleep(0.01)
            for ws in (first, second):
                ws.close()
                await ws.wait_closed()
        for who in ("first", "second"):
            assert [it for it in got if it.startswith(who)] == [f"{who} {number}" for number in range(10)]
        assert problems and set(problems) <= set(got)

    run(main())


def test_ctrl_c_out_of_a_list_leaves_nothing_untold():
    got = []

    def on_messages(ws, messages):
        got.extend(messages)
        if "1" in messages:
            raise KeyboardInterrupt

    loop = asyncio.new_event_loop()
    try:
        server = loop.run_until_complete(raw.serve(lambda ws, data: ws.send(data), "127.0.0.1", 0).__aenter__())
        clients = [loop.run_until_complete(raw.connect(server.url, on_messages, lists=True).__aenter__()) for _ in range(2)]
        for ws in clients:
            ws.send_many(["1", "2"])
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(asyncio.sleep(5))
        try:
            loop.run_until_complete(asyncio.sleep(0.1))
        except KeyboardInterrupt:
            loop.run_until_complete(asyncio.sleep(0.1))
        assert sorted(got) == ["1", "1", "2", "2"]
        for ws in clients:
            ws.abort()
        server.close()
        loop.run_until_complete(server.wait_closed())
    finally:
        loop.close()


def test_others_have_their_turn_beside_a_crowd(run):
    frames, rounds, came = b"\x82\x81\0\0\0\0x" * 100_000, 5, [0]

    def on_message(ws, data):
        came[0] += 1

    def flood(port):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: it\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                           b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
            for _ in range(rounds):
                client.sendall(frames)
            client.recv(1 << 16)

    async def main():
        turns = 0
        async with raw.serve(on_message, "127.0.0.1", 0) as server:
            thread = threading.Thread(target=flood, args=(server.port,))
            thread.start()
            while came[0] < rounds * 100_000:
                await asyncio.sleep(0)
                turns += 1
            thread.join()
        assert turns > rounds * 100_000 // 256 // 4

    run(main())
