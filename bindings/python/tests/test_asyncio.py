"""Messages, and the end of connections, in asyncio."""
import asyncio

import pytest

import wsock
from conftest import echo, pair
from wsock import ConnectionClosedError, ConnectionClosedOK, State

SIZES = [0, 1, 125, 126, 65535, 65536, 1 << 20]


@pytest.mark.parametrize("compression", ["deflate", None])
def test_text_and_binary_of_every_size(run, compression):
    async def main():
        async with pair(client={"compression": compression}) as ws:
            for size in SIZES:
                binary = bytes(range(256)) * (size // 256) + bytes(size % 256)
                text = ("grüße, мир! " * (size // 12 + 1))[: size // 2]
                await ws.send(binary)
                await ws.send(text)
                assert await ws.recv() == binary
                assert await ws.recv() == text

    run(main())


def test_16_mib(run):
    async def main():
        async with pair(server={"max_size": 1 << 24}, client={"max_size": None}) as ws:
            data = bytes(range(256)) * (1 << 16)
            await ws.send(data)
            assert await ws.recv() == data

    run(main())


def test_the_three_lines_of_the_manual(run, capsys):
    async def main():
        async with wsock.serve(echo, "127.0.0.1", 0) as server:
            async with wsock.connect(server.url) as ws:
                await ws.send("Hello Server!")
                async for message in ws:
                    print(message)
                    break

    run(main())
    assert capsys.readouterr().out == "Hello Server!\n"


def test_many_at_once_arrive_in_order(run):
    async def main():
        async with pair() as ws:
            async def send():
                for number in range(5000):
                    await ws.send(str(number))

            sender = asyncio.ensure_future(send())
            for number in range(5000):
                assert await ws.recv() == str(number)
            await sender

    run(main())


def test_kinds_of_data(run):
    async def main():
        async with pair() as ws:
            for sent, received in [(bytearray(b"a"), b"a"), (memoryview(b"bc")[1:], b"c"), ("", ""), (b"", b"")]:
                await ws.send(sent)
                assert await ws.recv() == received
            await ws.send(b"text", text=True)
            assert await ws.recv() == "text"
            await ws.send("binary", text=False)
            assert await ws.recv() == b"binary"
            await ws.send("text")
            assert await ws.recv(decode=False) == b"text"
            await ws.send(b"binary")
            assert await ws.recv(decode=True) == "binary"

    run(main())


def test_fragments(run):
    async def main():
        async with pair() as ws:
            async def slowly():
                for part in ("a", "b", "c"):
                    await asyncio.sleep(0.01)
                    yield part

            whole = asyncio.ensure_future(ws.send(slowly()))
            await asyncio.sleep(0.015)
            # Waits for the end of the message that has begun.
            await ws.send("later")
            await whole
            assert [await ws.recv(), await ws.recv()] == ["abc", "later"]
            await ws.send([b"1", b"2"])
            assert await ws.recv() == b"12"
            await ws.send([])
            await ws.send("next")
            assert [part async for part in ws.recv_streaming()] == ["next"]

    run(main())


@pytest.mark.parametrize("parts", [["a", b"b"], [b"a", "b"], ["a", 1]])
def test_fragments_that_do_not_go_together_end_the_connection(run, parts):
    async def main():
        async with pair() as ws:
            with pytest.raises(TypeError):
                await ws.send(parts)
            await ws.wait_closed()

    run(main())


def test_fragments_that_fail_or_are_cancelled_end_the_connection(run):
    async def main():
        async def failing():
            yield "a"
            raise LookupError("no more")

        async def endless():
            yield "a"
            await asyncio.sleep(60)

        async with pair() as ws:
            with pytest.raises(LookupError):
                await ws.send(failing())
            await ws.wait_closed()
        async with pair() as ws:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(ws.send(endless()), 0.05)
            with pytest.raises(wsock.ConnectionClosed):
                await ws.send("after that")

    run(main())


def test_two_messages_in_fragments_at_once(run):
    async def main():
        async def parts(letter):
            for _ in range(3):
                yield letter * 3
                await asyncio.sleep(0.005)

        async with pair() as ws:
            await asyncio.gather(ws.send(parts("a")), ws.send(parts("b")))
            assert {await ws.recv(), await ws.recv()} == {"a" * 9, "b" * 9}

    run(main())


@pytest.mark.parametrize("data", [1, None, object(), {"a": 1}])
def test_what_is_no_data(run, data):
    async def main():
        async with pair() as ws:
            with pytest.raises(TypeError):
                await ws.send(data)
            await ws.send("still here")
            assert await ws.recv() == "still here"

    run(main())


def test_a_lone_surrogate_is_not_sent(run):
    async def main():
        async with pair() as ws:
            with pytest.raises(UnicodeEncodeError):
                await ws.send("\ud800")
            await ws.send("still here")
            assert await ws.recv() == "still here"

    run(main())


def test_cancelling_recv_loses_nothing(run):
    async def main():
        async with pair() as ws:
            for number in range(50):
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(ws.recv(), 0.001)
                waiting = asyncio.ensure_future(ws.recv())
                await asyncio.sleep(0)
                await ws.send(str(number))
                if number % 2:
                    await asyncio.sleep(0.002)
                    waiting.cancel()
                try:
                    got = await waiting
                except asyncio.CancelledError:
                    got = await ws.recv()
                assert got == str(number)

    run(main())


def test_two_cannot_receive_at_once(run):
    async def main():
        async with pair() as ws:
            first = asyncio.ensure_future(ws.recv())
            await asyncio.sleep(0)
            with pytest.raises(wsock.ConcurrencyError):
                await ws.recv()
            await ws.send("for the first")
            assert await first == "for the first"

    run(main())


def test_close_with_code_and_reason(run):
    async def main():
        seen = asyncio.get_running_loop().create_future()

        async def handler(ws):
            with pytest.raises(ConnectionClosedError) as caught:
                await ws.recv()
            seen.set_result((ws.close_code, ws.close_reason, str(caught.value)))

        async with pair(handler) as ws:
            assert ws.state is State.OPEN and ws.close_code is None and ws.close_reason is None
            await ws.close(4000, "grüße")
            assert ws.state is State.CLOSED and (ws.close_code, ws.close_reason) == (4000, "")
            await ws.close()
            with pytest.raises(ConnectionClosedError) as caught:
                await ws.send("late")
            # The code comes back, the reason does not.
            assert caught.value.rcvd == (4000, "") and caught.value.sent == (4000, "grüße")
            assert caught.value.rcvd_then_sent is False
        code, reason, told = await seen
        assert (code, reason) == (4000, "grüße")
        assert told == "received 4000 (private use) grüße; then sent 4000 (private use)"

    run(main())


def test_1000_and_1001_end_iteration_quietly(run):
    async def main():
        async def goodbye(ws):
            await ws.send("one")
            await ws.close(1001)

        async with pair(goodbye) as ws:
            assert [message async for message in ws] == ["one"]
            with pytest.raises(ConnectionClosedOK):
                await ws.recv()
            assert ws.close_code == 1001

    run(main())


def test_what_arrived_before_the_end_is_still_there(run):
    async def main():
        async def handler(ws):
            for number in range(10):
                await ws.send(str(number))

        async with pair(handler) as ws:
            await ws.wait_closed()
            assert [message async for message in ws] == [str(number) for number in range(10)]

    run(main())


@pytest.mark.parametrize("code, reason", [(999, ""), (1005, ""), (1006, ""), (5000, ""), (1000, "x" * 124)])
def test_codes_and_reasons_that_are_refused(run, code, reason):
    async def main():
        async with pair() as ws:
            with pytest.raises(ValueError):
                await ws.close(code, reason)
            await ws.send("still here")
            assert await ws.recv() == "still here"

    run(main())


def test_a_handler_that_fails_closes_with_1011(run, caplog):
    async def main():
        async def handler(ws):
            raise LookupError("in the handler")

        async with pair(handler) as ws:
            with pytest.raises(ConnectionClosedError) as caught:
                await ws.recv()
            assert caught.value.rcvd.code == 1011

    run(main())
    assert "in the handler" in caplog.text and "connection handler failed" in caplog.text


def test_a_message_that_is_too_big(run):
    async def main():
        async with pair(server={"max_size": 100}) as ws:
            await ws.send(b"x" * 101)
            with pytest.raises(ConnectionClosedError) as caught:
                await ws.recv()
            assert caught.value.rcvd.code == 1009

    run(main())


def test_the_exception_tells_why_the_connection_was_lost(run):
    async def main():
        async with pair(lambda ws: ws.send("too much"), client={"max_size": 5}) as ws:
            with pytest.raises(ConnectionClosedError) as caught:
                await ws.recv()
            assert isinstance(caught.value.__cause__, wsock.PayloadTooBig) and "5" in str(caught.value.__cause__)
            assert caught.value.sent.code == 1009

    run(main())


def test_ping_and_latency(run):
    async def main():
        async with pair() as ws:
            first = await ws.ping()
            second = await ws.ping(b"mine")
            with pytest.raises(wsock.ConcurrencyError):
                await ws.ping(b"mine")
            assert 0 < await second < 5 and 0 < await first < 5
            assert 0 < ws.latency < 5
            with pytest.raises(ValueError):
                await ws.ping(b"x" * 126)
            never = await ws.ping("text")
            await ws.close()
            try:
                await never
            except ConnectionClosedOK:
                pass

    run(main())


def test_a_peer_that_is_silent_is_noticed(run):
    async def main():
        async def deaf(reader, writer):
            request = await reader.readuntil(b"\r\n\r\n")
            key = [line.split(b": ")[1] for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")][0]
            import base64
            import hashlib
            accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
            while await reader.read(1000):
                pass
            writer.close()

        server = await asyncio.start_server(deaf, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        ws = await wsock.connect(f"ws://127.0.0.1:{port}/", ping_interval=0.1, ping_timeout=0.1, close_timeout=0.1)
        with pytest.raises(ConnectionClosedError) as caught:
            await ws.recv()
        assert isinstance(caught.value.__cause__, TimeoutError)
        server.close()
        await server.wait_closed()

    run(main())


def test_send_waits_while_the_peer_does_not_read(run):
    async def main():
        reading = asyncio.Event()

        async def slow(ws):
            await reading.wait()
            async for _ in ws:
                pass

        async with pair(slow, server={"max_queue": 1}, client={"compression": None}) as ws:
            sent = 0

            async def send():
                nonlocal sent
                for sent in range(1, 400):
                    await ws.send(bytes(100_000))

            sender = asyncio.ensure_future(send())
            await asyncio.sleep(0.3)
            stuck = sent
            await asyncio.sleep(0.1)
            assert sent == stuck < 399
            reading.set()
            await sender
            assert sent == 399

    run(main())


def test_a_slow_reader_holds_its_peer_back(run):
    async def main():
        sent = 0

        async def flood(ws):
            nonlocal sent
            for sent in range(1, 100_001):
                await ws.send(bytes(1000))

        async with pair(flood, client={"max_queue": 4, "compression": None}) as ws:
            await asyncio.sleep(0.3)
            assert sent < 100_000 and len(ws._messages) < 5000
            # Still in order, and nothing is missing.
            for _ in range(1000):
                assert len(await ws.recv()) == 1000

    run(main())


def test_broadcast(run):
    async def main():
        async with wsock.serve(lambda ws: ws.wait_closed(), "127.0.0.1", 0) as server:
            clients = [await wsock.connect(server.url) for _ in range(20)]
            wsock.broadcast(server.connections, "to all")
            wsock.broadcast(server.connections, b"bytes")
            for ws in clients:
                assert [await ws.recv(), await ws.recv()] == ["to all", b"bytes"]
            await clients[0].close()
            wsock.broadcast(set(clients), "closed ones are passed over")
            with pytest.raises(TypeError):
                wsock.broadcast(server.connections, 1)
            await asyncio.gather(*(ws.close() for ws in clients))

    run(main())


def test_topics(run):
    async def main():
        with wsock.Hub() as hub:
            async def handler(ws):
                async for topic in ws:
                    hub.subscribe(ws, topic)
                    await ws.send("ok " + topic)

            async with wsock.serve(handler, "127.0.0.1", 0) as server:
                a, b = await wsock.connect(server.url), await wsock.connect(server.url)
                for ws, topic in ((a, "prices.eur"), (b, "prices.*")):
                    await ws.send(topic)
                    assert await ws.recv() == "ok " + topic
                hub.publish("prices.eur", "1.1")
                hub.publish("prices.usd", b"0.9", keep=True)
                assert await a.recv() == "1.1"
                assert [await b.recv(), await b.recv()] == ["1.1", b"0.9"]
                with pytest.raises(ValueError):
                    hub.publish("", "no topic")
                await a.close()
                await b.close()

    run(main())


def test_tls(run, certificate):
    cert, key = certificate

    async def main():
        async with wsock.serve(echo, "127.0.0.1", 0, ssl=wsock.TLS(certfile=cert, keyfile=key)) as server:
            assert server.url.startswith("wss://")
            async with wsock.connect(server.url, ssl=wsock.TLS(cafile=cert)) as ws:
                await ws.send("secret")
                assert await ws.recv() == "secret"
            import ssl
            with pytest.raises(ssl.SSLCertVerificationError):
                await wsock.connect(server.url)
            with pytest.raises(TypeError, match="wsock.TLS"):
                wsock.connect(server.url, ssl=ssl.create_default_context())

    run(main())


def test_unix_socket(run, tmp_path):
    async def main():
        path = str(tmp_path / "socket")
        async with wsock.unix_serve(echo, path) as server:
            async with wsock.unix_connect(path) as ws:
                await ws.send("over a file")
                assert await ws.recv() == "over a file"
            async with wsock.connect(server.url) as ws:
                await ws.send("by its URL")
                assert await ws.recv() == "by its URL"

    run(main())


def test_coming_back(run):
    async def main():
        server = await wsock.serve(lambda ws: ws.send("hello"), "127.0.0.1", 0)
        port, seen = server.port, 0
        async for ws in wsock.connect(server.url):
            assert await ws.recv() == "hello"
            seen += 1
            if seen == 2:
                server.close()
                await server.wait_closed()
                # Attempts fail until there is a server again.
                async def later():
                    await asyncio.sleep(0.3)
                    return await wsock.serve(lambda ws: ws.send("hello"), "127.0.0.1", port)

                restarted = asyncio.ensure_future(later())
            if seen == 3:
                break
        (await restarted).close()
        await (await restarted).wait_closed()
        await asyncio.sleep(0.05)

    run(main())


def test_closing_a_server_says_going_away(run):
    async def main():
        async with wsock.serve(echo, "127.0.0.1", 0) as server:
            assert server.is_serving() and server.addresses == [("127.0.0.1", server.port)]
            ws = await wsock.connect(server.url)
            assert len(server.connections) == 1
            server.close()
            assert not server.is_serving()
            with pytest.raises(ConnectionClosedOK):
                await ws.recv()
            assert ws.close_code == 1001
            await server.wait_closed()
            with pytest.raises(OSError):
                await wsock.connect(server.url)

    run(main())


def test_closing_a_server_can_leave_its_connections(run):
    async def main():
        async with wsock.serve(echo, "127.0.0.1", 0) as server:
            ws = await wsock.connect(server.url)
            server.close(close_connections=False)
            with pytest.raises((wsock.InvalidStatus, OSError)):
                await wsock.connect(server.url)
            await ws.send("still here")
            assert await ws.recv() == "still here"
            await ws.close()
            await server.wait_closed()

    run(main())


def test_serve_forever_is_cancelled(run):
    async def main():
        server = await wsock.serve(echo, "127.0.0.1", 0)
        forever = asyncio.ensure_future(server.serve_forever())
        ws = await wsock.connect(server.url)
        forever.cancel()
        with pytest.raises(asyncio.CancelledError):
            await forever
        await ws.wait_closed()

    run(main())


def test_a_port_that_is_taken(run):
    async def main():
        async with wsock.serve(echo, "127.0.0.1", 0) as server:
            with pytest.raises(OSError, match="in use"):
                await wsock.serve(echo, "127.0.0.1", server.port)

    run(main())


def test_a_handler_that_is_cancelled_closes_its_connection(run):
    async def main():
        async def handler(ws):
            raise asyncio.CancelledError

        async with pair(handler) as ws:
            with pytest.raises(ConnectionClosedError) as caught:
                await ws.recv()
            assert caught.value.rcvd.code == 1011

    run(main())


def test_closing_a_server_with_a_code_that_is_none(run):
    async def main():
        async with wsock.serve(echo, "127.0.0.1", 0) as server:
            for code, reason in [(1006, ""), (1001, "x" * 124)]:
                with pytest.raises(ValueError):
                    server.close(code=code, reason=reason)
            assert server.is_serving()

    run(main())


def test_closing_a_server_while_clients_come(run):
    async def main():
        async def dial(url):
            try:
                ws = await wsock.connect(url, open_timeout=5)
                await ws.wait_closed()
            except (OSError, wsock.WebSocketException):
                pass

        for _ in range(20):
            server = await wsock.serve(echo, "127.0.0.1", 0)
            dialling = [asyncio.ensure_future(dial(server.url)) for _ in range(10)]
            await asyncio.sleep(0.001 * (_ % 5))
            server.close()
            await server.wait_closed()
            await asyncio.gather(*dialling)

    run(main())


def test_coming_back_over_a_unix_socket(run, tmp_path):
    async def main():
        path = tmp_path / "socket"
        async with wsock.unix_serve(lambda ws: ws.send("hello"), path):
            seen = 0
            async for ws in wsock.unix_connect(path):
                assert await ws.recv() == "hello"
                seen += 1
                if seen == 3:
                    break
        await asyncio.sleep(0.05)

    run(main())


def test_what_cannot_begin_leaves_nothing(run):
    async def main():
        with pytest.raises(ValueError):
            await wsock.connect("ws://127.0.0.1:1/", max_queue=-1)
        with pytest.raises(wsock.InvalidURI):
            await wsock.connect("ftp://127.0.0.1:1/")
        with pytest.raises(ValueError):
            await wsock.serve(echo, "no host at all")

    run(main())


def test_loops_in_several_threads():
    import threading

    async def main():
        async with pair() as ws:
            await ws.send("hello")
            return await ws.recv()

    failures = []

    def work():
        try:
            for _ in range(10):
                assert asyncio.run(main()) == "hello"
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures


def test_streaming(run):
    async def main():
        text = "grüße, мир! " * 150_000
        async with pair(server={"max_size": None, "streaming": True},
                        client={"max_size": None, "streaming": True, "compression": None}) as ws:
            for message in (text, text.encode(), "short", b""):
                await ws.send(message)
                parts = [part async for part in ws.recv_streaming()]
                assert all(type(part) is type(message) for part in parts)
                assert (len(parts) > 1) == (len(message) > 100_000)
                assert (b"" if isinstance(message, bytes) else "").join(parts) == message
                await ws.send(message)
                assert await ws.recv() == message

    run(main())


def test_streaming_holds_the_peer_back(run):
    async def main():
        sent = 0

        async def parts():
            nonlocal sent
            for sent in range(1, 1001):
                yield bytes(100_000)

        async def handler(ws):
            await ws.send(parts())
            await ws.send("after it")

        async with pair(handler, client={"max_size": None, "streaming": True, "max_queue": 4, "compression": None}) as ws:
            received = 0
            async for part in ws.recv_streaming():
                received += len(part)
                if received < 1_000_000:
                    await asyncio.sleep(0.05)
                    assert sent < 1000
            assert received == 100_000_000
            assert await ws.recv() == "after it"

    run(main())


def test_a_stream_that_is_left_early_and_one_that_ends_early(run):
    async def main():
        async def two(ws):
            await ws.send([b"x" * 300_000] * 10)
            await ws.send("next")

        async with pair(two, client={"max_size": None, "streaming": True, "compression": None}) as ws:
            stream = ws.recv_streaming()
            assert len(await stream.__anext__()) > 0
            await stream.aclose()
            assert await ws.recv() == "next"

        async def broken(ws):
            async def parts():
                yield b"x" * 300_000
                await asyncio.sleep(0.05)
                raise asyncio.CancelledError

            await ws.send(parts())

        async with pair(broken, client={"max_size": None, "streaming": True, "compression": None}) as ws:
            with pytest.raises(ConnectionClosedError):
                async for _ in ws.recv_streaming():
                    pass

    run(main())
