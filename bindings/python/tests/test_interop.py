"""With libraries that we did not write, as clients and as servers."""
import asyncio

import pytest

import wsock
from conftest import echo, pair

MESSAGES = ["text", b"binary", "", b"", "grüße, мир" * 5000, bytes(range(256)) * 1000]


def test_websockets_as_a_client(run):
    websockets = pytest.importorskip("websockets")

    async def main():
        for compression in ("deflate", None):
            async with wsock.serve(echo, "127.0.0.1", 0, subprotocols=["chat"]) as server:
                async with websockets.connect(server.url, compression=compression, subprotocols=["chat"]) as ws:
                    assert ws.subprotocol == "chat"
                    for message in MESSAGES:
                        await ws.send(message)
                        assert await ws.recv() == message
                    await ws.send(["in ", "fragments"])
                    assert await ws.recv() == "in fragments"
                    await (await ws.ping())
                    await ws.close(4001, "bye")

    run(main())


def test_websockets_as_a_server(run):
    websockets = pytest.importorskip("websockets")

    async def main():
        async with websockets.serve(echo, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            for compression in ("deflate", None):
                async with wsock.connect(f"ws://127.0.0.1:{port}/", compression=compression) as ws:
                    for message in MESSAGES:
                        await ws.send(message)
                        assert await ws.recv() == message
                    await ws.send(["in ", "fragments"])
                    assert await ws.recv() == "in fragments"
                    await (await ws.ping())

    run(main())


def test_aiohttp_as_a_client(run):
    aiohttp = pytest.importorskip("aiohttp")

    async def main():
        async with wsock.serve(echo, "127.0.0.1", 0) as server:
            async with aiohttp.ClientSession() as session:
                async with session.ws_connect(server.url, compress=15) as ws:
                    for message in MESSAGES:
                        await (ws.send_str(message) if isinstance(message, str) else ws.send_bytes(message))
                        assert (await ws.receive()).data == message

    run(main())


def test_aiohttp_as_a_server(run):
    web = pytest.importorskip("aiohttp.web")

    async def main():
        async def handler(request):
            ws = web.WebSocketResponse()
            await ws.prepare(request)
            async for message in ws:
                await (ws.send_str(message.data) if isinstance(message.data, str) else ws.send_bytes(message.data))
            return ws

        app = web.Application()
        app.router.add_get("/", handler)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]
        async with wsock.connect(f"ws://127.0.0.1:{port}/") as ws:
            for message in MESSAGES:
                await ws.send(message)
                assert await ws.recv() == message
        await runner.cleanup()

    run(main())


def test_picows_as_a_client(run):
    picows = pytest.importorskip("picows")

    async def main():
        got = asyncio.Queue()

        class Listener(picows.WSListener):
            def on_ws_frame(self, transport, frame):
                if frame.msg_type in (picows.WSMsgType.TEXT, picows.WSMsgType.BINARY):
                    got.put_nowait(frame.get_payload_as_bytes())

        async with wsock.serve(echo, "127.0.0.1", 0) as server:
            transport, _ = await picows.ws_connect(Listener, server.url)
            for message in MESSAGES:
                text = isinstance(message, str)
                data = message.encode() if text else message
                transport.send(picows.WSMsgType.TEXT if text else picows.WSMsgType.BINARY, data)
                assert await got.get() == data
            transport.send_close(picows.WSCloseCode.OK)
            await transport.wait_disconnected()

    run(main())


def test_picows_as_a_server(run):
    picows = pytest.importorskip("picows")

    async def main():
        class Echo(picows.WSListener):
            def on_ws_frame(self, transport, frame):
                if frame.msg_type == picows.WSMsgType.CLOSE:
                    transport.send_close(frame.get_close_code(), frame.get_close_message())
                    transport.disconnect()
                else:
                    transport.send(frame.msg_type, frame.get_payload_as_bytes())

        server = await picows.ws_create_server(lambda request: Echo(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with wsock.connect(f"ws://127.0.0.1:{port}/") as ws:
            for message in MESSAGES:
                await ws.send(message)
                assert await ws.recv() == message
        server.close()
        await server.wait_closed()

    run(main())


def test_our_own_with_each_other(run):
    async def main():
        async with pair() as ws:
            for message in MESSAGES:
                await ws.send(message)
                assert await ws.recv() == message

    run(main())
