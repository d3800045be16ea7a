"""socketify as a server: uWebSockets called from Python. Its backlog cannot be set."""

from socketify import App, AppListenOptions, AppOptions, CompressOptions

import options as parse

options = parse.of_server()
app = App(AppOptions(cert_file_name=options.cert, key_file_name=options.key) if options.cert else None)


def subscribe(ws):
    ws.subscribe("all")


def publish(ws, message, opcode):
    app.publish("all", message, opcode, options.deflate)


def echo(ws, message, opcode):
    ws.send(message, opcode, options.deflate)


shared = CompressOptions.SHARED_COMPRESSOR | CompressOptions.SHARED_DECOMPRESSOR
app.ws("/*", {
    "compression": int(shared if options.deflate else CompressOptions.DISABLED),
    "max_payload_length": parse.LIMIT,
    "max_backpressure": parse.LIMIT,
    "open": subscribe if options.broadcast else None,
    "message": publish if options.broadcast else echo,
})
app.listen(AppListenOptions(port=options.port, host="127.0.0.1"), lambda config: parse.listening(options))
app.run()
