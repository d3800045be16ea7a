"""picows as a server, on uvloop, with its core interface."""

import uvloop
from picows import WSListener, WSMsgType, ws_create_server

import options as parse

options = parse.of_server()
clients = set()


class Echo(WSListener):
    def on_ws_frame(self, transport, frame):
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
        else:
            transport.send(frame.msg_type, frame.get_payload_as_memoryview(), frame.fin)


class Broadcast(WSListener):
    def on_ws_connected(self, transport):
        clients.add(transport)

    def on_ws_disconnected(self, transport):
        clients.discard(transport)

    def on_ws_frame(self, transport, frame):
        if frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()
            return
        payload = frame.get_payload_as_bytes()
        for client in clients:
            client.send(frame.msg_type, payload)


async def main():
    listener = Broadcast if options.broadcast else Echo
    server = await ws_create_server(
        lambda request: listener(),
        "127.0.0.1",
        options.port,
        ssl=parse.tls(options),
        max_frame_size=parse.LIMIT,
        backlog=parse.BACKLOG,
    )
    parse.listening(options)
    await server.serve_forever()


uvloop.run(main())
