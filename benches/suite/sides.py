"""Who is measured: ours, the least that can be done, and the libraries of others.

A command is a template with {port}; {bench} is target/bench and {c} is target/c. Behind a server's command,
`--cert FILE --key FILE` asks for TLS, `--deflate` for compression and `--broadcast` to send what anybody says to
everybody. A client's has arguments behind it as benches/limit/meter.h has them, and prints what that says.
"""
import dataclasses
import json
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
BENCH = ROOT / "target" / "bench"
PEERS = ROOT / "target" / "peers" / "peers.json"
CLIENT = " {port} {way} {size} {seconds}"
SWITCHES = {"tls": " --cert {cert} --key {key}", "deflate": " --deflate", "broadcast": " --broadcast"}


@dataclasses.dataclass
class Side:
    name: str
    title: str
    commands: dict  # what it can do: the command for that
    raw: bool = False  # no WebSocket: only bytes there and back
    asked: bool = False  # runs only when --sides names it
    version: str = ""

    def command(self, mode, **places):
        return self.commands[mode].format(bench=BENCH, c=ROOT / "target" / "c", **places)


def modes(names, command):
    return {name: command + SWITCHES.get(name, "") for name in names.split()}


SERVER = "echo text handshake idle"
LIMIT = "{bench}/limit_ws --port {port}"

SIDES = [
    Side("limit_ws", "limit", modes(SERVER + " broadcast", LIMIT)),
    Side("limit_client", "limit", modes("client", "{bench}/limit_client" + CLIENT)),
    Side("limit_tcp", "TCP", modes("echo", "{bench}/limit_tcp --port {port}"), raw=True),
    Side("wsock", "libwsock", modes(SERVER + " tls deflate", "{c}/echo_server --port {port}")
         | {"broadcast": "{bench}/broadcast --port {port}"} | modes("client", "{bench}/client" + CLIENT)
         | modes("loops", "{bench}/echo --loops 2 --port {port}")),
    Side("wsock_one", "libwsock, one loop", modes("loops", "{bench}/echo --port {port}"), asked=True),
    Side("wsock_events", "libwsock, batches", modes("echo", "{bench}/echo --events --port {port}")),
    Side("wsock_hub", "libwsock, hub", {"broadcast": "{bench}/broadcast --hub --port {port}"}),
    Side("wsock_thread", "libwsock, thread", modes("echo", "{bench}/echo --thread --port {port}"), asked=True),
    Side("wsock_events_thread", "libwsock, batches, thread",
         modes("echo", "{bench}/echo --events --thread --port {port}"), asked=True),
]


def add(sides, name, command, names, version=""):
    """Adds what a program of others can do to the side of this name."""
    if "{port}" not in command:
        command = command.replace("{", "{{").replace("}", "}}") + (CLIENT if "client" in names else " --port {port}")
    if "echo" in names:
        names = [*names, "handshake", "idle"]
    side = next((side for side in sides if side.name == name), None)
    if side is None:
        side = Side(name, name, {}, version=version)
        sides.append(side)
    side.commands |= modes(" ".join(names), command)


def add_peers(sides, path=PEERS):
    """Adds what benches/peers/install.sh has built."""
    for peer in json.loads(path.read_text()):
        add(sides, peer["name"], peer["command"], peer["modes"], peer.get("version", ""))
