"""websockets as a server, on uvloop."""

import uvloop
from websockets.asyncio.server import broadcast, serve
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

import options as parse

options = parse.of_server()
DEFLATE = ServerPerMessageDeflateFactory(
    server_no_context_takeover=True,
    client_no_context_takeover=True,
    compress_settings={"level": 1},
)


async def echo(ws):
    try:
        async for message in ws:
            await ws.send(message)
    except ConnectionClosed:
        pass


async def publish(ws):
    async for message in ws:
        broadcast(ws.server.connections, message)


async def main():
    async with serve(
        publish if options.broadcast else echo,
        "127.0.0.1",
        options.port,
        ssl=parse.tls(options),
        compression=None,
        extensions=[DEFLATE] if options.deflate else None,
        max_size=parse.LIMIT,
        backlog=parse.BACKLOG,
    ) as server:
        parse.listening(options)
        await server.serve_forever()


uvloop.run(main())
