"""The table of what is measured."""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Config:
    name: str
    title: str
    kind: str  # "load": server CPU per message; "memory": bytes per connection; "client": client CPU per message
    mode: str  # what a side has to be able to do
    load: tuple = ()  # arguments of the load generator
    base: tuple | None = None  # the reference's, when they are others
    reference: str = "limit_ws"
    conns: int = 64
    idle: int = 0  # of them, those that only are there
    size: int = 125
    unit: str = "message"
    one_core: bool = True  # the server on the first core, the load generator on the second


def words(text):
    return tuple(text.split())


def echo(name, title, size, depth=1, conns=64, mode="echo", load="", base=None, **more):
    common = f"--conns {conns} --size {size} --depth {depth} "
    return Config(name, title, "load", mode, words(common + load), None if base is None else words(common + base),
                  conns=conns, size=size, **more)


def memory(name, title, mode="idle", load=""):
    return Config(name, title, "memory", mode, words(f"--mode idle --size 1024 {load}"), None, conns=10000, idle=10000,
                  size=1024, unit="connection")


def client(name, title, way, size):
    return Config(name, title, "client", "client", (way,), reference="limit_client", conns=1, size=size)


CONFIGS = [
    echo("echo-125", "echo 125 B", 125),
    echo("echo-1k", "echo 1 KiB", 1024),
    echo("echo-125-c1000", "echo 125 B, 1000 connections", 125, conns=1000),
    echo("echo-1k-c1000", "echo 1 KiB, 1000 connections", 1024, conns=1000),
    echo("echo-125-d16", "echo 125 B, 16 on the way", 125, 16),
    echo("echo-1k-d16", "echo 1 KiB, 16 on the way", 1024, 16),
    echo("echo-16k", "echo 16 KiB", 16384),
    echo("echo-64k", "echo 64 KiB", 65536),
    echo("echo-1m", "echo 1 MiB, 16 connections", 1 << 20, conns=16),
    echo("text-ascii", "echo 1 KiB of text, ASCII", 1024, mode="text", load="--text"),
    echo("text-mixed", "echo 1 KiB of text, 1 to 4 bytes a character", 1024, mode="text", load="--mixed"),
    echo("beside-idle", "echo 125 B beside 10,000 idle connections", 125, load="--beside 10000", idle=10000),
    Config("handshake", "handshake: connect, upgrade, reset; 32 at a time", "load", "handshake",
           words("--mode handshake --conns 32"), conns=32, unit="handshake"),
    Config("broadcast", "125 B to 1000 connections, per delivery", "load", "broadcast",
           words("--mode broadcast --conns 1000 --size 125"), conns=1000, unit="delivery"),
    echo("tls-1k", "TLS: echo 1 KiB", 1024, mode="tls", load="--tls", base=""),
    echo("tls-1k-d16", "TLS: echo 1 KiB, 16 on the way", 1024, 16, mode="tls", load="--tls", base=""),
    echo("deflate-1k", "permessage-deflate: echo 1 KiB of JSON", 1024, mode="deflate", load="--json --deflate",
         base="--json"),
    client("client-125", "client: 125 B as fast as they come", "firehose", 125),
    client("client-1k", "client: 1 KiB as fast as they come", "firehose", 1024),
    client("client-64k", "client: 64 KiB as fast as they come", "firehose", 65536),
    client("client-pingpong", "client: 1 KiB there and back", "pingpong", 1024),
    echo("loops-125", "echo 125 B, two loops on two threads against one", 125, mode="loops", reference="wsock_one",
         one_core=False),
    echo("loops-125-d16", "echo 125 B, 16 on the way, two loops on two threads against one", 125, 16, mode="loops",
         reference="wsock_one", one_core=False),
    memory("idle-plain", "memory after an echo of 1 KiB"),
    memory("idle-tls", "memory after an echo of 1 KiB, TLS", "tls", "--tls"),
    memory("idle-deflate", "memory after an echo of 1 KiB, permessage-deflate", "deflate", "--deflate --json"),
]
