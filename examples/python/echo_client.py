#!/usr/bin/env python3
"""Connect, send one message, print what comes back, close.   echo_client.py [URL [TEXT]]"""
import ctypes
import sys

import wsock_ctypes as wsock

lib = wsock.load()
url = sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:9001/"
text = (sys.argv[2] if len(sys.argv) > 2 else "hello").encode()
answers = []


@wsock.OnOpen
def on_open(conn, _):
    lib.wsock_conn_send_text(conn, text, len(text))


@wsock.OnMessage
def on_message(conn, _type, data, length, _):
    answers.append(ctypes.string_at(data, length))  # a copy: data is valid until we return
    lib.wsock_conn_close(conn, 1000, b"thank you")


@wsock.OnError
def on_error(_conn, error, _):
    print("echo_client.py:", error.contents.message.decode(), file=sys.stderr)


handlers = wsock.Handlers(on_open=on_open, on_message=on_message, on_error=on_error)
loop, conn = ctypes.c_void_p(), ctypes.c_void_p()
try:
    wsock.check(lib, lib.wsock_loop_new(ctypes.byref(loop)))
    wsock.check(lib, lib.wsock_connect(loop, url.encode(), None, handlers, None, ctypes.byref(conn)))
    # Until nothing is left to wait for. A signal interrupts it, so that Ctrl-C gets through to Python.
    while lib.wsock_loop_run(loop) == wsock.ERR_INTERRUPTED:
        pass
except OSError as error:
    print("echo_client.py:", error, file=sys.stderr)
finally:
    lib.wsock_loop_free(loop)

for answer in answers:
    print(answer.decode())
sys.exit(0 if answers else 1)
