"""One sample: what one side needs for a message, a connection or a handshake, now."""
import json
import mmap
import signal
import struct
import subprocess
import time

from . import processes
from .processes import Failure, Process, Server
from .sides import BENCH

# What the kernel may hold of a firehose's bytes: sent, and not yet read.
ON_THE_WAY = 32 << 20


class Bench:
    """How long, where, and the certificate."""

    def __init__(self, seconds, warmup, descriptors):
        self.seconds, self.warmup = seconds, warmup
        self.most_idle = max(descriptors - 1500, 100)
        self.first, self.second = processes.cores()
        self.tls = {}

    def server(self, side, config, name=None):
        """The side's server for a configuration, on its core."""
        return Server(name or side.name, lambda port: side.command(config.mode, port=port, **self.tls),
                      {self.first} if config.one_core else None)

    def loadgen(self, side, config, server, base=False):
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
                   str(self.seconds), "--warmup", str(self.warmup), *load]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=300 + 10 * self.seconds)
            found = json.loads(done.stdout)
        except (subprocess.TimeoutExpired, json.JSONDecodeError) as error:
            raise Failure(f"the load generator gave no figures: {error}") from error
        server.must_run()
        if "fatal" in found or found.get("verify_errors"):
            raise Failure(found.get("fatal") or found["first_error"])
        return found

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
        """A client below a firehose: its CPU time per message that the firehose got rid of."""
        path = BENCH / "log" / "count"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(8))
        with path.open("r+b") as file, mmap.mmap(file.fileno(), 8) as shared, Server(
                "firehose", lambda port: f"{BENCH}/firehose --port {port} --size {config.size} --count {path}",
                {self.second}) as firehose:
            def count():
                return struct.unpack("=Q", shared)[0]

            with Process(side.name, side.command("client", port=firehose.port), {self.first}) as client:
                deadline = time.monotonic() + processes.PATIENCE
                while not count():
                    client.must_run()
                    if time.monotonic() > deadline:
                        raise Failure("the client does not connect")
                    time.sleep(0.005)
                time.sleep(self.warmup)
                before = time.monotonic(), processes.cpu_ns(client.pid), count()
                time.sleep(self.seconds)
                client.must_run()
                seconds, cpu, messages = (now - then for now, then in zip(
                    (time.monotonic(), processes.cpu_ns(client.pid), count()), before))
                client.stop(signal.SIGTERM)
                sent, got = count(), client.last_line()
        least = sent - ON_THE_WAY // config.size - 1
        if not got.isdigit() or not least <= int(got) <= sent:
            raise Failure(f"the client says it got {got!r} of {sent} messages")
        if not messages:
            raise Failure("not one message came in time")
        return {"figure": cpu / messages, "per_second": messages / seconds, "busy": cpu / seconds / 1e7}
