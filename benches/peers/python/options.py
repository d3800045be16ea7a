"""The options of every server in Python, the arguments of every client, and the line that clients print."""

import argparse
import json
import os
import ssl
import time

LIMIT = 64 * 1024 * 1024
BACKLOG = 4096


def of_server():
    """What a server was asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=9001)
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--deflate", action="store_true")
    parser.add_argument("--broadcast", action="store_true")
    return parser.parse_args()


def of_client():
    """What a client was asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("mode", choices=["firehose", "pingpong"])
    parser.add_argument("size", type=int)
    parser.add_argument("seconds", type=float)
    return parser.parse_args()


def tls(options):
    """The context for a server, or None without TLS."""
    if not options.cert:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options.cert, options.key)
    return context


def listening(options):
    """Say that connections are accepted."""
    print(f"listening on 127.0.0.1:{options.port}", flush=True)


class Meter:
    """Counts messages from the end of the warm-up on."""

    def __init__(self, client, load):
        self.client, self.load, self.messages, self.warm = client, load, 0, False
        self.began, self.cpu = time.monotonic(), time.process_time_ns()

    def count(self):
        """One more message; prints the result and ends the program when the time is over."""
        self.messages += 1
        if self.messages % 32:  # the clock would cost more than some libraries' messages
            return
        elapsed = time.monotonic() - self.began
        if not self.warm and elapsed > 0.5:
            self.warm, self.messages = True, 0
            self.began, self.cpu = time.monotonic(), time.process_time_ns()
        elif self.warm and elapsed > self.load.seconds:
            self.report(elapsed, time.process_time_ns() - self.cpu)
            os._exit(0)  # in the midst of a callback, where an exception would only be logged

    def report(self, elapsed, used):
        print(json.dumps({
            "client": self.client,
            "mode": self.load.mode,
            "size": self.load.size,
            "msgs_per_s": round(self.messages / elapsed, 1),
            "cpu_ns_per_msg": round(used / self.messages, 1),
        }), flush=True)
