"""picows as a client, on uvloop: picows_client.py PORT firehose|pingpong SIZE SECONDS"""

import uvloop
from picows import WSListener, WSMsgType, ws_connect

import options as parse

load = parse.of_client()
payload = b"a" * load.size
meter = parse.Meter("picows", load)
pingpong = load.mode == "pingpong"


class Client(WSListener):
    def on_ws_connected(self, transport):
        if pingpong:
            transport.send(WSMsgType.BINARY, payload)

    def on_ws_frame(self, transport, frame):
        meter.count()
        if pingpong:
            transport.send(WSMsgType.BINARY, payload)


async def main():
    transport, _ = await ws_connect(Client, f"ws://127.0.0.1:{load.port}/", max_frame_size=parse.LIMIT)
    await transport.wait_disconnected()


uvloop.run(main())
