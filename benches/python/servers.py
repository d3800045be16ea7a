"""Echo servers of Python libraries, one of them by name: servers.py NAME --port PORT [--loop asyncio]"""
import argparse
import asyncio
import contextlib

LIMIT = 64 * 1024 * 1024


async def for_ever():
    await asyncio.Event().wait()


async def wsock_raw(port):
    from wsock import raw

    async with raw.serve(lambda ws, data: ws.send(data), "127.0.0.1", port, max_size=LIMIT, text_as_bytes=True):
        await for_ever()


async def wsock_raw_lists(port):
    from wsock import raw

    async with raw.serve(lambda ws, messages: ws.send_many(messages), "127.0.0.1", port, max_size=LIMIT, text_as_bytes=True,
                         lists=True):
        await for_ever()


async def wsock(port):
    import wsock

    async def echo(ws):
        async for message in ws:
            await ws.send(message)

    async with wsock.serve(echo, "127.0.0.1", port, max_size=LIMIT):
        await for_ever()


async def picows(port):
    import picows

    class Echo(picows.WSListener):
        def on_ws_frame(self, transport, frame):
            if frame.msg_type == picows.WSMsgType.CLOSE:
                transport.send_close(frame.get_close_code(), frame.get_close_message())
                transport.disconnect()
            else:
                transport.send(frame.msg_type, frame.get_payload_as_bytes())

    server = await picows.ws_create_server(lambda request: Echo(), "127.0.0.1", port, max_frame_size=LIMIT, backlog=4096)
    await server.serve_forever()


async def picows_websockets(port):
    from picows.websockets import serve

    async def echo(ws):
        async for message in ws:
            await ws.send(message)

    async with serve(echo, "127.0.0.1", port, max_size=LIMIT, compression=None, ping_interval=None):
        await for_ever()


async def websockets(port):
    from websockets.asyncio.server import serve

    async def echo(ws):
        async for message in ws:
            await ws.send(message)

    async with serve(echo, "127.0.0.1", port, max_size=LIMIT, compression=None, ping_interval=None):
        await for_ever()


async def aiohttp(port):
    from aiohttp import WSMsgType, web

    async def echo(request):
        ws = web.WebSocketResponse(max_msg_size=LIMIT, compress=False)
        await ws.prepare(request)
        async for message in ws:
            if message.type is WSMsgType.BINARY:
                await ws.send_bytes(message.data)
            elif message.type is WSMsgType.TEXT:
                await ws.send_str(message.data)
        return ws

    app = web.Application()
    app.router.add_get("/", echo)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
    await for_ever()


def socketify(port):
    from socketify import App, AppListenOptions

    app = App()
    app.ws("/*", {"max_payload_length": LIMIT, "max_backpressure": LIMIT,
                  "message": lambda ws, message, opcode: ws.send(message, opcode)})
    app.listen(AppListenOptions(port=port, host="127.0.0.1"), lambda config: None)
    app.run()


def threads(port):
    from wsock.sync import serve

    def echo(ws):
        for message in ws:
            ws.send(message)

    serve(echo, "127.0.0.1", port, max_size=LIMIT).serve_forever()


def websockets_threads(port):
    from websockets.sync.server import serve

    def echo(ws):
        for message in ws:
            ws.send(message)

    serve(echo, "127.0.0.1", port, max_size=LIMIT, compression=None).serve_forever()


SERVERS = {function.__name__: function for function in (
    wsock_raw, wsock_raw_lists, wsock, picows, picows_websockets, websockets, aiohttp, socketify, threads, websockets_threads)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=SERVERS)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--loop", choices=["uvloop", "asyncio"], default="uvloop")
    args = parser.parse_args()
    server = SERVERS[args.name]
    with contextlib.suppress(KeyboardInterrupt):
        if not asyncio.iscoroutinefunction(server):
            server(args.port)
        elif args.loop == "uvloop":
            import uvloop

            uvloop.run(server(args.port))
        else:
            asyncio.run(server(args.port))


main()
