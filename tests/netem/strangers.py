"""Python's websockets as the other side: an echo server, or a client that compares what comes back."""
import asyncio
import json
import sys
import urllib.parse

import websockets

MESSAGES = 60


def tell(**event):
    print(json.dumps(event), flush=True)


async def echo(connection):
    try:
        async for message in connection:
            await connection.send(message)
    except websockets.ConnectionClosed:
        pass


async def serve(url):
    async with websockets.serve(echo, "0.0.0.0", urllib.parse.urlsplit(url).port, open_timeout=100, close_timeout=100,
                                ping_timeout=100):
        tell(event="listening")
        await asyncio.Future()


async def call(url):
    async with websockets.connect(url, open_timeout=100, close_timeout=100, ping_timeout=100) as connection:
        for number in range(MESSAGES):
            message = ("%d " % number) * (number * 37 % 900)
            message = message if number % 2 else message.encode()
            await connection.send(message)
            if await connection.recv() != message:
                tell(event="broken", what="message %d came back as another" % number)
                sys.exit(1)
    tell(event="done", messages=MESSAGES)
    tell(event="ended")


asyncio.run({"serve": serve, "call": call}[sys.argv[1]](sys.argv[2]))
