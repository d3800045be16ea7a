"""Unix domain sockets: servers of others for our client, clients of others for our server."""
import threading

from websockets.sync.client import unix_connect
from websockets.sync.server import unix_serve

from kit import WORK, Echo, case, echoes, must, program, refused, run, same


@case("Unix socket: our client, a server of Python's websockets")
def client(lab):
    path = WORK / "python.sock"
    path.unlink(missing_ok=True)
    server = unix_serve(lambda ws: [ws.send(message) for message in ws], str(path))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    echoes("--unix", path, "ws://localhost/chat")
    echoes("ws+unix:%s:/chat" % path)
    server.shutdown()


@case("Unix socket: our server, clients of curl's and Python's websockets")
def server(lab):
    path = WORK / "echo.sock"
    same(lab.echo_unix.url, "ws+unix:%s:/" % path)
    _, out, err = run(program("curl"), "-sSi", "--max-time", "5", "--unix-socket", path, "http://localhost/")
    must(r"^HTTP/1\.1 426 ", out + err)
    with unix_connect(str(path), "ws://localhost/") as ws:
        ws.send("hello")
        same(ws.recv(), "hello")


@case("Unix socket: TLS over it")
def secure(lab):
    path = WORK / "tls.sock"
    with Echo("--unix", path, *lab.pair("server")) as echo:
        same(echo.url, "wss+unix:%s:/" % path)
        echoes("--cacert", lab.ca, "--unix", path, "wss://localhost/")
        refused("unknown issuer", "--unix", path, "wss://localhost/")


@case("Unix socket: nobody there")
def nobody(lab):
    refused("nowhere.sock|No such file", "--unix", WORK / "nowhere.sock", "ws://localhost/")
