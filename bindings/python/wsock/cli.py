"""python -m wsock: a client for the terminal, and a small server.

    python -m wsock ws://127.0.0.1:8765/            talk to a server: a line is a message
    python -m wsock serve [--port 8765]             send every message back
    python -m wsock serve --chat [--port 8765]      everybody hears everybody; open the page it prints
"""
from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import threading
from typing import Any, List, Optional

from ._options import TLS
from ._version import VERSION
from .asyncio import ServerConnection, broadcast, connect, serve
from .exceptions import ConnectionClosed, WebSocketException
from .http import Headers, Request, Response

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "chat.html")


def header(text: str) -> Any:
    """`Name: value` as a pair."""
    name, colon, value = text.partition(":")
    if not colon:
        raise argparse.ArgumentTypeError(f"{text!r} is no header; it should be 'Name: value'")
    return name.strip(), value.strip()


def client_arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m wsock", description="Talk to a WebSocket server: a line is a message.",
                                     epilog="python -m wsock serve --help tells about the server.")
    parser.add_argument("uri", help="ws://..., wss://..., or serve")
    parser.add_argument("-H", "--header", type=header, action="append", default=[], help="one more header, 'Name: value'")
    parser.add_argument("-s", "--subprotocol", action="append", default=[], help="a subprotocol to offer")
    parser.add_argument("--origin", help="the Origin header")
    parser.add_argument("--cafile", help="whom to trust: a file in PEM")
    parser.add_argument("--insecure", action="store_true", help="DANGER: take any certificate")
    parser.add_argument("--linger", type=float, metavar="SECONDS",
                        help="at the end of the input, wait until so long nothing has come (0 at a terminal, else 1)")
    parser.add_argument("--version", action="version", version=f"wsock {VERSION}")
    return parser


def server_arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m wsock serve", description="Send every message back, or chat.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8765, help="0 for a free one (8765)")
    parser.add_argument("--chat", action="store_true", help="everybody hears everybody; serves a page to chat with")
    parser.add_argument("--certfile", help="a certificate in PEM, for wss://")
    parser.add_argument("--keyfile", help="its key")
    return parser


def read_lines(loop: asyncio.AbstractEventLoop, lines: asyncio.Queue[Optional[str]]) -> None:
    """What is typed, line by line, and None at the end."""
    for line in sys.stdin:
        loop.call_soon_threadsafe(lines.put_nowait, line.rstrip("\n"))
    loop.call_soon_threadsafe(lines.put_nowait, None)


async def talk(args: argparse.Namespace) -> int:
    tls = TLS(cafile=args.cafile, verify=not args.insecure) if args.cafile or args.insecure else None
    lines: asyncio.Queue[Optional[str]] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    async with connect(args.uri, additional_headers=Headers(args.header), subprotocols=args.subprotocol, origin=args.origin,
                       ssl=tls, max_size=None) as ws:
        print(f"Connected to {args.uri}." + (f" Subprotocol: {ws.subprotocol}." if ws.subprotocol else ""), file=sys.stderr)
        threading.Thread(target=read_lines, args=(loop, lines), daemon=True).start()

        linger = args.linger if args.linger is not None else 0.0 if sys.stdin.isatty() else 1.0
        came = loop.time()

        async def send() -> None:
            while True:
                line = await lines.get()
                if line is None:
                    break
                await ws.send(line)
            # Answers may be on the way, to what was piped in.
            began = loop.time()
            while loop.time() < max(came, began) + linger:
                await asyncio.sleep(max(came, began) + linger - loop.time())
            await ws.close()

        sender = asyncio.ensure_future(send())
        try:
            async for message in ws:
                came = loop.time()
                print(message if isinstance(message, str) else f"{len(message)} bytes: {message.hex(' ')}", flush=True)
        except ConnectionClosed as error:
            print(f"Connection lost: {error.__cause__ or error}", file=sys.stderr)
            return 1
        finally:
            sender.cancel()
    print(f"Connection closed: {ws.close_code}{' ' + ws.close_reason if ws.close_reason else ''}.", file=sys.stderr)
    return 0


async def echo(ws: ServerConnection) -> None:
    async for message in ws:
        await ws.send(message)


async def chat(ws: ServerConnection) -> None:
    async for message in ws:
        broadcast(ws.server.connections, message)


def page(ws: ServerConnection, request: Request) -> Optional[Response]:
    """The chat page, for browsers; WebSockets go on."""
    if "Upgrade" in request.headers:
        return None
    if request.path != "/":
        return ws.respond(404, "There is only a page at /.\n")
    with open(PAGE, "rb") as file:
        return Response(200, "OK", Headers({"Content-Type": "text/html; charset=utf-8"}), file.read())


async def run_server(args: argparse.Namespace) -> int:
    tls = TLS(certfile=args.certfile, keyfile=args.keyfile) if args.certfile or args.keyfile else None
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serve(chat if args.chat else echo, args.host, args.port, ssl=tls, process_request=page if args.chat else None,
                     max_size=None) as server:
        print(f"listening on {server.url}" + (f" - chat at {server.url.replace('ws', 'http', 1)}" if args.chat else ""),
              flush=True)
        await stop.wait()
    return 0


def main(argv: Optional[List[str]] = None) -> None:
    """Does what the command line says, and ends the process."""
    argv = sys.argv[1:] if argv is None else argv
    serving = argv[:1] == ["serve"]
    args = server_arguments().parse_args(argv[1:]) if serving else client_arguments().parse_args(argv)
    try:
        sys.exit(asyncio.run(run_server(args) if serving else talk(args)))
    except KeyboardInterrupt:
        sys.exit(130)
    except (OSError, ValueError, WebSocketException) as error:
        sys.exit(f"python -m wsock: {error}")
