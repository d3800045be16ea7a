"""Clients of Python libraries against an echo server, one of them by name: clients.py NAME PORT DEPTH SIZE SECONDS [--loop asyncio]

So many messages are on the way at any time. Prints CPU time per message as JSON.
"""
import argparse
import asyncio
import json
import os
import time

WARM = 0.5
LIMIT = 64 * 1024 * 1024


class Meter:
    """Counts messages, and ends the program when the time is over."""

    def __init__(self, seconds):
        self.seconds = seconds
        self.began, self.cpu, self.count, self.warm = time.monotonic(), 0, 0, False

    def one(self):
        self.count += 1
        # The clock would cost more than some libraries' messages.
        if self.count % 32:
            return
        elapsed = time.monotonic() - self.began
        if not self.warm and elapsed > WARM:
            self.warm, self.count = True, 0
            self.began, self.cpu = time.monotonic(), time.process_time_ns()
        elif self.warm and elapsed > self.seconds:
            used = time.process_time_ns() - self.cpu
            print(json.dumps({"msgs_per_s": round(self.count / elapsed, 1), "cpu_ns_per_msg": round(used / self.count, 1)}),
                  flush=True)
            os._exit(0)


async def wsock_raw(url, depth, payload, meter):
    from wsock import raw

    def on_message(ws, data):
        meter.one()
        ws.send(payload)

    ws = await raw.connect(url, on_message, max_size=LIMIT, compression=None)
    for _ in range(depth):
        ws.send(payload)
    await ws.wait_closed()


async def wsock(url, depth, payload, meter):
    import wsock

    async with wsock.connect(url, max_size=LIMIT, compression=None) as ws:
        await over(ws, depth, payload, meter)


async def picows(url, depth, payload, meter):
    import picows

    class Client(picows.WSListener):
        def on_ws_connected(self, transport):
            for _ in range(depth):
                transport.send(picows.WSMsgType.BINARY, payload)

        def on_ws_frame(self, transport, frame):
            frame.get_payload_as_bytes()
            meter.one()
            transport.send(picows.WSMsgType.BINARY, payload)

    transport, _ = await picows.ws_connect(Client, url, max_frame_size=LIMIT)
    await transport.wait_disconnected()


async def picows_websockets(url, depth, payload, meter):
    from picows.websockets import connect

    async with connect(url, max_size=LIMIT, compression=None, ping_interval=None) as ws:
        await over(ws, depth, payload, meter)


async def websockets(url, depth, payload, meter):
    from websockets.asyncio.client import connect

    async with connect(url, max_size=LIMIT, compression=None, ping_interval=None) as ws:
        await over(ws, depth, payload, meter)


async def over(ws, depth, payload, meter):
    for _ in range(depth):
        await ws.send(payload)
    async for _ in ws:
        meter.one()
        await ws.send(payload)


async def aiohttp(url, depth, payload, meter):
    import aiohttp

    async with aiohttp.ClientSession() as session, session.ws_connect(url, max_msg_size=LIMIT) as ws:
        for _ in range(depth):
            await ws.send_bytes(payload)
        async for _ in ws:
            meter.one()
            await ws.send_bytes(payload)


def threads(url, depth, payload, meter):
    from wsock.sync import connect

    ws = connect(url, max_size=LIMIT, compression=None)
    for _ in range(depth):
        ws.send(payload)
    for _ in ws:
        meter.one()
        ws.send(payload)


def websockets_threads(url, depth, payload, meter):
    from websockets.sync.client import connect

    ws = connect(url, max_size=LIMIT, compression=None)
    for _ in range(depth):
        ws.send(payload)
    for _ in ws:
        meter.one()
        ws.send(payload)


def websocket_client(url, depth, payload, meter):
    import websocket

    ws = websocket.create_connection(url)
    for _ in range(depth):
        ws.send_binary(payload)
    while True:
        ws.recv()
        meter.one()
        ws.send_binary(payload)


CLIENTS = {function.__name__: function for function in (
    wsock_raw, wsock, picows, picows_websockets, websockets, aiohttp, threads, websockets_threads, websocket_client)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=CLIENTS)
    parser.add_argument("port", type=int)
    parser.add_argument("depth", type=int)
    parser.add_argument("size", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--loop", choices=["uvloop", "asyncio"], default="uvloop")
    args = parser.parse_args()
    client = CLIENTS[args.name]
    work = (f"ws://127.0.0.1:{args.port}/", args.depth, bytes(args.size), Meter(args.seconds))
    if not asyncio.iscoroutinefunction(client):
        client(*work)
    elif args.loop == "uvloop":
        import uvloop

        uvloop.run(client(*work))
    else:
        asyncio.run(client(*work))


main()
