"""The opening handshake: what each side asks for, and what it is told."""
import asyncio
import re

import pytest

import wsock
from conftest import echo, pair


def test_headers_both_ways(run):
    async def main():
        seen = {}

        async def handler(ws):
            seen["path"], seen["headers"] = ws.request.path, ws.request.headers
            await ws.wait_closed()

        async with wsock.serve(handler, "127.0.0.1", 0, server_header="mine") as server:
            async with wsock.connect(server.url + "chat?room=1", additional_headers=[("X-A", "1"), ("X-A", "2")],
                                     origin="https://example.com", user_agent_header="tests") as ws:
                assert ws.response.status_code == 101 and ws.response.headers["server"] == "mine"
                assert ws.local_address[0] == ws.remote_address[0] == "127.0.0.1"
                assert ws.remote_address[1] == server.port
        assert seen["path"] == "/chat?room=1"
        assert seen["headers"].get_all("x-a") == ["1", "2"]
        assert seen["headers"]["Origin"] == "https://example.com" and seen["headers"]["User-Agent"] == "tests"

    run(main())


def test_both_names_of_the_headers_argument(run):
    async def main():
        names = []

        async def handler(ws):
            names.append(ws.request.headers.get("X-Mine"))

        async with wsock.serve(handler, "127.0.0.1", 0) as server:
            for argument in ("additional_headers", "extra_headers"):
                async with wsock.connect(server.url, **{argument: {"X-Mine": argument}}) as ws:
                    await ws.wait_closed()
            with pytest.raises(TypeError):
                wsock.connect(server.url, additional_headers={}, extra_headers={})
        assert names == ["additional_headers", "extra_headers"]

    run(main())


@pytest.mark.parametrize("headers", [{"X-Evil": "a\r\nb"}, {"a b": "c"}, {"Host": "evil"}, {"X": "\0"}])
def test_headers_that_are_refused(run, headers):
    async def main():
        with pytest.raises(ValueError):
            await wsock.connect("ws://127.0.0.1:1/", additional_headers=headers)

    run(main())


@pytest.mark.parametrize("uri", ["ftp://127.0.0.1/", "ws://", "ws://a b/", "ws://x/#fragment", "nothing", "ws://x:99999/"])
def test_uris_that_are_none(run, uri):
    async def main():
        with pytest.raises(wsock.InvalidURI) as caught:
            await wsock.connect(uri)
        assert caught.value.uri == uri and str(caught.value).startswith(uri + " isn't a valid URI: ")

    run(main())


def test_settings_that_are_refused(run):
    async def main():
        for settings in ({"compression": "zip"}, {"max_size": 0}, {"open_timeout": -1}, {"max_queue": -1},
                         {"subprotocols": ["a", "a"]}, {"subprotocols": ["a b"]}):
            with pytest.raises(ValueError):
                await wsock.connect("ws://127.0.0.1:1/", **settings)
        with pytest.raises(TypeError):
            await wsock.connect("ws://127.0.0.1:1/", subprotocols="chat")
        with pytest.raises(wsock.InvalidProxy):
            await wsock.connect("ws://127.0.0.1:1/", proxy="gopher://x")
        with pytest.raises(ValueError, match="certificate"):
            wsock.serve(echo, ssl=wsock.TLS())

    run(main())


def test_subprotocols(run):
    async def main():
        async with pair(server={"subprotocols": ["v2", "v1"]}, client={"subprotocols": ["v0", "v1"]}) as ws:
            assert ws.subprotocol == "v1"
        async with pair(server={"subprotocols": ["v2", "v1"]}, client={"subprotocols": ["v1", "v2"]}) as ws:
            assert ws.subprotocol == "v2"
        for offered, told in ((["v0"], b"expected one of v2"), (None, b"missing subprotocol")):
            with pytest.raises(wsock.InvalidStatus) as caught:
                async with pair(server={"subprotocols": ["v2"]}, client={"subprotocols": offered}):
                    pass
            assert caught.value.response.status_code == 400 and told in caught.value.response.body

        def choose(ws, offered):
            assert list(offered) == ["a", "b"]
            return "b"

        async with pair(server={"select_subprotocol": choose}, client={"subprotocols": ["a", "b"]}) as ws:
            assert ws.subprotocol == "b"

        def refuse(ws, offered):
            raise wsock.NegotiationError("none of these")

        with pytest.raises(wsock.InvalidStatus) as caught:
            async with pair(server={"select_subprotocol": refuse}, client={"subprotocols": ["a"]}):
                pass
        assert caught.value.response.status_code == 400 and b"none of these" in caught.value.response.body

    run(main())


@pytest.mark.parametrize("origins, origin, fine", [
    (["https://a.example"], "https://a.example", True),
    (["https://a.example"], "https://b.example", False),
    (["https://a.example"], None, False),
    (["https://a.example", None], None, True),
    ([re.compile(r"https://[ab]\.example")], "https://b.example", True),
    ([re.compile(r"https://[ab]\.example")], "https://b.example.evil", False),
])
def test_origins(run, origins, origin, fine):
    async def main():
        try:
            async with pair(server={"origins": origins}, client={"origin": origin}) as ws:
                await ws.send("in")
                assert await ws.recv() == "in" and fine
        except wsock.InvalidStatus as error:
            assert error.response.status_code == 403 and not fine

    run(main())


@pytest.mark.parametrize("later", [False, True])
def test_process_request(run, later):
    async def main():
        def decide(ws, request):
            if request.headers.get("Authorization") == "Bearer good":
                ws.username = "somebody"
                return None
            response = ws.respond(401, "who are you?\n")
            response.headers["WWW-Authenticate"] = "Bearer"
            return response

        async def decide_later(ws, request):
            await asyncio.sleep(0.01)
            return decide(ws, request)

        async def handler(ws):
            await ws.send(ws.username)

        process = decide_later if later else decide
        async with wsock.serve(handler, "127.0.0.1", 0, process_request=process) as server:
            with pytest.raises(wsock.InvalidStatus) as caught:
                await wsock.connect(server.url)
            response = caught.value.response
            assert (response.status_code, response.body) == (401, b"who are you?\n")
            assert response.headers["WWW-Authenticate"] == "Bearer"
            assert str(caught.value) == "server rejected WebSocket connection: HTTP 401"
            async with wsock.connect(server.url, additional_headers={"Authorization": "Bearer good"}) as ws:
                assert await ws.recv() == "somebody"

    run(main())


def test_process_request_that_fails(run, caplog):
    async def main():
        def decide(ws, request):
            raise LookupError("while deciding")

        async with wsock.serve(echo, "127.0.0.1", 0, process_request=decide) as server:
            with pytest.raises(wsock.InvalidStatus) as caught:
                await wsock.connect(server.url)
            assert caught.value.response.status_code == 500

    run(main())
    assert "while deciding" in caplog.text


def test_plain_http(run):
    async def main():
        def page(ws, request):
            if request.path == "/health":
                return ws.respond(200, "fine\n")
            return None

        async def get(port, path):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
            return answer

        async with wsock.serve(echo, "127.0.0.1", 0, process_request=page) as server:
            health, other = await get(server.port, "/health"), await get(server.port, "/")
            assert health.startswith(b"HTTP/1.1 200 ") and health.endswith(b"\r\n\r\nfine\n")
            assert other.startswith(b"HTTP/1.1 426 ")

    run(main())


def test_a_server_that_does_not_answer(run):
    async def main():
        held = []
        server = await asyncio.start_server(lambda reader, writer: held.append(writer), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(TimeoutError):
            await wsock.connect(f"ws://127.0.0.1:{port}/", open_timeout=0.1)
        for writer in held:
            writer.close()
        server.close()
        await server.wait_closed()

    run(main())


def test_a_server_that_speaks_something_else(run):
    async def main():
        def answer(reader, writer):
            writer.write(b"220 mail.example ESMTP\r\n")
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(wsock.InvalidMessage):
            await wsock.connect(f"ws://127.0.0.1:{port}/")
        server.close()
        await server.wait_closed()

    run(main())


def test_nobody_is_there(run):
    async def main():
        with pytest.raises(ConnectionRefusedError):
            await wsock.connect("ws://127.0.0.1:1/")
        with pytest.raises(OSError):
            await wsock.connect("ws://nobody.invalid/")

    run(main())


def test_connecting_is_cancelled(run):
    async def main():
        held = []
        server = await asyncio.start_server(lambda reader, writer: held.append(writer), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]

        async def dial():
            await wsock.connect(f"ws://127.0.0.1:{port}/")

        dialling = asyncio.ensure_future(dial())
        await asyncio.sleep(0.05)
        dialling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dialling
        for writer in held:
            writer.close()
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0.05)

    run(main())


def test_a_socket_of_ones_own(run):
    async def main():
        import socket
        listening = socket.create_server(("127.0.0.1", 0))
        async with wsock.serve(echo, sock=listening) as server:
            sock = socket.create_connection(("127.0.0.1", server.port))
            async with wsock.connect("ws://elsewhere.example/", sock=sock) as ws:
                await ws.send("through it")
                assert await ws.recv() == "through it"

    run(main())


def test_headers_are_a_mapping():
    headers = wsock.Headers({"A": "1"}, b="2")
    headers["a"] = "3"
    assert headers.get_all("A") == ["1", "3"] and headers["B"] == "2" and "b" in headers and "c" not in headers
    with pytest.raises(LookupError):
        headers["a"]
    assert list(headers.raw_items()) == [("A", "1"), ("b", "2"), ("a", "3")] and len(headers) == 2
    assert headers.copy() == headers and str(headers) == "A: 1\r\nb: 2\r\na: 3\r\n\r\n"
    del headers["a"]
    assert list(headers.raw_items()) == [("b", "2")]
    headers.clear()
    assert not headers and headers.get("b") is None


@pytest.mark.parametrize("answer", [
    "no response", (200, [], b"legacy"), wsock.Response(101, "", wsock.Headers()), wsock.Response(700, "", wsock.Headers()),
    wsock.Response(200, "", wsock.Headers([("X", "a\r\nb")])), wsock.Response(200, "", wsock.Headers([("X", 1)])),
])
def test_answers_that_are_none(run, caplog, answer):
    async def main():
        async with wsock.serve(echo, "127.0.0.1", 0, process_request=lambda ws, request: answer) as server:
            with pytest.raises(wsock.InvalidStatus) as caught:
                await wsock.connect(server.url)
            assert caught.value.response.status_code == 500

    run(main())
    assert "opening handshake failed" in caplog.text


def test_who_asks_is_known_to_process_request(run):
    async def main():
        def decide(ws, request):
            with pytest.raises(RuntimeError):
                ws._post("too early")
            return ws.respond(200, repr(ws.remote_address))

        async with wsock.serve(echo, "127.0.0.1", 0, process_request=decide) as server:
            with pytest.raises(wsock.InvalidStatus) as caught:
                await wsock.connect(server.url)
            assert caught.value.response.body.startswith(b"('127.0.0.1', ")

    run(main())


def test_clients_with_the_same_key(run, tmp_path):
    async def main():
        path = str(tmp_path / "socket")
        request = (b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                   b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        async with wsock.unix_serve(lambda ws: ws.send("hello"), path):
            opened = [await asyncio.open_unix_connection(path) for _ in range(5)]
            for _, writer in opened:
                writer.write(request)
            for reader, writer in opened:
                assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
                assert await reader.readexactly(7) == b"\x81\x05hello"
                writer.close()

    run(main())
