#!/usr/bin/env python3
"""Send every message back as it came. Prints "listening on ws://HOST:PORT/" first; SIGTERM or Ctrl-C says
goodbye to everyone with 1001 and ends with status 0."""
import argparse
import ctypes
import signal
import sys

import wsock_ctypes as wsock

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--host", default="127.0.0.1")
parser.add_argument("--port", type=int, default=0)
parser.add_argument("--deflate", action="store_true")
parser.add_argument("--max-message", type=int, metavar="BYTES")
parser.add_argument("--idle-timeout", type=int, metavar="SECONDS", default=0)
args = parser.parse_args()
lib = wsock.load()


@wsock.OnMessage
def on_message(conn, kind, data, length, _):
    status = lib.wsock_conn_send(conn, kind, data, length, 0)  # straight from where it was received
    if status == wsock.BUFFERED:
        lib.wsock_conn_pause(conn)  # it does not read as fast as it sends: wait until it has caught up
    elif status == wsock.ERR_LIMIT:
        lib.wsock_conn_close(conn, 1013, b"too much is waiting to be read")


@wsock.OnDrain
def on_drain(conn, _):
    lib.wsock_conn_resume(conn)


handlers = wsock.Handlers(on_message=on_message, on_drain=on_drain)
loop, options, server = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
stopping = False


def stop(_number, _frame):
    global stopping
    stopping = True


try:
    wsock.check(lib, lib.wsock_loop_new(ctypes.byref(loop)))
    wsock.check(lib, lib.wsock_options_new(ctypes.byref(options)))
    settings = {wsock.OPT_IDLE_TIMEOUT_MS: args.idle_timeout * 1000, wsock.OPT_DEFLATE: int(args.deflate)}
    if args.max_message is not None:
        settings[wsock.OPT_MAX_MESSAGE_SIZE] = args.max_message
    for key, value in settings.items():
        if value:
            wsock.check(lib, lib.wsock_options_set_int(options, key, value))
    wsock.check(lib, lib.wsock_listen(loop, args.host.encode(), args.port, options, handlers, None,
                                      ctypes.byref(server)))
except OSError as error:
    sys.exit("echo_server.py: %s" % error)
lib.wsock_options_free(options)

signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)
host = "[%s]" % args.host if ":" in args.host else args.host
print("listening on ws://%s:%d/" % (host, lib.wsock_server_port(server)), flush=True)

# A signal interrupts the wait, and Python runs its handler between two calls. The second bounds how long one
# that arrives just before the wait goes unnoticed.
while not stopping:
    lib.wsock_loop_poll(loop, 1000)
lib.wsock_server_close(server, 0, 1001, b"going away")
while lib.wsock_loop_run(loop) == wsock.ERR_INTERRUPTED:
    pass
lib.wsock_loop_free(loop)
