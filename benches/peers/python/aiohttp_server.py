"""aiohttp as a server, on uvloop."""

import asyncio

import uvloop
from aiohttp import WSMsgType, web

import options as parse

options = parse.of_server()


async def echo(request):
    ws = web.WebSocketResponse(max_msg_size=parse.LIMIT, compress=options.deflate)
    await ws.prepare(request)
    async for message in ws:
        if message.type is WSMsgType.BINARY:
            await ws.send_bytes(message.data)
        elif message.type is WSMsgType.TEXT:
            await ws.send_str(message.data)
    return ws


async def main():
    app = web.Application()
    app.router.add_get("/", echo)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", options.port, ssl_context=parse.tls(options), backlog=parse.BACKLOG)
    await site.start()
    parse.listening(options)
    await asyncio.Event().wait()


uvloop.run(main())
