"""One sample: what one side needs for a message, a connection or a handshake, now."""
import json
import struct
import subprocess

from . import processes
from .processes import Failure, Process, Server
from .sides import BENCH

# Seconds of load on a server that has just started, before its first sample.
WARM = 0.5


def missing(switch):
    """Why the load generator cannot do this, or None."""
    done = subprocess.run([BENCH / "loadgen", "--port", "1", switch], capture_output=True, text=True)
    said = json.loads(done.stdout)["fatal"]  # at port 1 there is nobody, so that it always fails
    return said if said.startswith(switch) else None


class Bench:
    """How long, where, and the certificate."""

    def __init__(self, seconds, warmup, descriptors):
        self.seconds, self.warmup = seconds, warmup
        self.most_idle = max(descriptors - 1500, 100)
        self.first, self.second = processes.cores()
        self.tls = {}

    def server(self, side, config):
        """The side's server for a configuration, on its core."""
        return Server(side.name, lambda port: side.command(config.mode, port=port, **self.tls),
                      {self.first} if config.one_core else None)

    def loadgen(self, side, config, server, base=False, seconds=None):
        """One run of the load generator against a server; what it found."""
        load = list(config.base if base and config.base is not None else config.load)
        if config.idle:
            count = str(min(config.idle, self.most_idle))
            load = ["--conns", count, *load] if config.kind == "memory" else [
                count if before == "--beside" else word for before, word in zip(["", *load], load)]
        if side.raw:
            load += ["--raw", "--size", str(config.size + (6 if config.size < 126 else 8 if config.size < 65536 else 14))]
        if config.one_core:
            load += ["--cpu", str(self.second)]
        command = [BENCH / "loadgen", "--port", str(server.port), "--server-pid", str(server.pid), "--time",
                   str(seconds or self.seconds), "--warmup", str(self.warmup), *load]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=300 + 10 * self.seconds)
            found = json.loads(done.stdout)
        except (subprocess.TimeoutExpired, json.JSONDecodeError) as error:
            raise Failure(f"the load generator gave no figures: {error}") from error
        server.must_run()
        if "fatal" in found or found.get("verify_errors"):
            raise Failure(found.get("fatal") or found["first_error"])
        return found

    def warm_up(self, side, config, server, base):
        """What comes first in a process costs more: pages, caches, compilers at run time."""
        self.loadgen(side, config, server, base, min(WARM, self.seconds))

    def load(self, side, config, server, base=False):
        found = self.loadgen(side, config, server, base)
        if not found["msgs"]:
            raise Failure("not one message came back in time")
        return {"figure": found["server_ns_per_msg"], "per_second": found["msgs_per_s"],
                "busy": found["server_cpu_pct"], "generator": found["gen_cpu_pct"],
                **{key: found[key] for key in ("tls", "extension") if found.get(key)}}

    def memory(self, side, config):
        with self.server(side, config) as server:
            found = self.loadgen(side, config, server)
        return {"figure": found["bytes_per_conn_touched"], "open": found["bytes_per_conn_open"],
                "idle_cpu": found["idle_cpu_pct"], "conns": found["conns"]}

    def client(self, side, config):
        """A client below a firehose, or one that plays ping-pong with the limit: its own CPU time per message."""
        path = BENCH / "log" / "count"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(8))
        way = config.load[0]
        command = (f"{BENCH}/firehose --size {config.size} --count {path}" if way == "firehose" else f"{BENCH}/limit_ws")
        with Server("for-clients", lambda port: f"{command} --port {port}", {self.second}) as server:
            line = side.command("client", port=server.port, way=way, size=config.size, seconds=self.seconds)
            with Process(side.name, line, {self.first}) as client:
                client.wait_for_end(processes.PATIENCE + self.seconds)
                try:
                    found = json.loads(client.last_line())
                except json.JSONDecodeError as error:
                    raise Failure(f"the client says: {client.last_line()}") from error
        sent = struct.unpack("=Q", path.read_bytes())[0]
        least = found["msgs_per_s"] * self.seconds * 0.9
        if way == "firehose" and sent < least:
            raise Failure(f"the client says it got {least:.0f} messages and more of {sent}")
        return {"figure": found["cpu_ns_per_msg"], "per_second": found["msgs_per_s"]}
