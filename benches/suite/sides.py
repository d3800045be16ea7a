"""Who is measured: ours, the least that can be done, and the libraries of others.

A command is a template with {port}; {bench} is target/bench and {c} is target/c. A server is asked for TLS with
`--cert FILE --key FILE` behind its command and for compression with `--deflate`. A client (mode "client") connects to
ws://127.0.0.1:PORT/, takes messages until SIGTERM, and says then how many they were in the last line that it prints.
"""
import dataclasses
import json
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
BENCH = ROOT / "target" / "bench"
PEERS = ROOT / "target" / "peers" / "peers.json"
TLS = " --cert {cert} --key {key}"
DEFLATE = " --deflate"


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
    return {name: command + {"tls": TLS, "deflate": DEFLATE}.get(name, "") for name in names.split()}


SERVER = "echo text handshake idle"
LIMIT = "{bench}/limit_ws --port {port}"

SIDES = [
    Side("limit_ws", "limit", modes(SERVER, LIMIT) | modes("broadcast", LIMIT + " --broadcast")),
    Side("limit_client", "limit", modes("client", "{bench}/limit_client --port {port}")),
    Side("limit_tcp", "TCP", modes("echo", "{bench}/limit_tcp --port {port}"), raw=True),
    Side("wsock", "libwsock", modes(SERVER + " tls deflate", "{c}/echo_server --port {port}")
         | modes("broadcast", "{bench}/broadcast --port {port}") | modes("client", "{bench}/client --port {port}")
         | modes("loops", "{bench}/echo --loops 2 --port {port}")),
    Side("wsock_one", "libwsock, one loop", modes("loops", "{bench}/echo --port {port}"), asked=True),
    Side("wsock_events", "libwsock, batches", modes("echo", "{bench}/echo --events --port {port}")),
    Side("wsock_hub", "libwsock, hub", modes("broadcast", "{bench}/broadcast --hub --port {port}")),
    Side("wsock_thread", "libwsock, thread", modes("echo", "{bench}/echo --thread --port {port}"), asked=True),
    Side("wsock_events_thread", "libwsock, batches, thread",
         modes("echo", "{bench}/echo --events --thread --port {port}"), asked=True),
]


def add(sides, name, command, names, version=""):
    """Adds what a program of others can do to the side of this name."""
    if "{port}" not in command:
        command = command.replace("{", "{{").replace("}", "}}") + " --port {port}"
    if "echo" in names:
        names = [*names, "handshake", "idle"]
    side = next((side for side in sides if side.name == name), None)
    if side is None:
        side = Side(name, name, {}, version=version)
        sides.append(side)
    side.commands |= modes(" ".join(names), command)
    return side


def add_peers(sides, path=PEERS):
    """Adds what benches/peers/install.sh has built."""
    for peer in json.loads(path.read_text()):
        add(sides, peer["name"], peer["command"], peer["modes"], peer.get("version", ""))
