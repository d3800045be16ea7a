"""The program under attack while it runs, and what the kernel says about it."""
import os
import pathlib
import re
import subprocess
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / "target" / "hostile"
ECHO_SERVER = ROOT / "target" / "c" / "echo_server"
PATIENCE = 60  # seconds, for what has to happen sometime


def until(what, condition):
    """Waits for it; a busy machine may take its time."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("waited in vain: " + what)
        time.sleep(0.01)


class Server:
    """The echo server with these switches; on that core, when one is given."""

    def __init__(self, *switches, core=None):
        pin = ["taskset", "-c", str(core), "nice", "-n", "-20"] if core is not None else []
        self.process = subprocess.Popen([*pin, ECHO_SERVER, *map(str, switches)], stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().removeprefix("listening on ").rstrip()
        self.port = int(self.url.rstrip("/").rsplit(":", 1)[1])
        self.folder = pathlib.Path("/proc/%d" % self.process.pid)
        self.fds_at_first = self.fds()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def end(self):
        """Its exit status when it is asked to end."""
        self.process.terminate()
        return self.process.wait(timeout=PATIENCE)

    def fds(self):
        return len(os.listdir(self.folder / "fd"))

    def memory(self, field="VmRSS"):
        """Bytes: VmRSS is what it has, VmHWM the most it ever had."""
        status = (self.folder / "status").read_text()
        return int(re.search(field + r":\s+(\d+) kB", status).group(1)) * 1024

    def forget_peak(self):
        """VmHWM begins anew."""
        (self.folder / "clear_refs").write_text("5")

    def cpu_seconds(self):
        fields = (self.folder / "stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def figures(self):
        """What --metrics tells, for a server without TLS."""
        with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % self.port, timeout=PATIENCE) as answer:
            text = answer.read().decode()
        found = {}
        for name, labels, value in re.findall(r"^(\w+)(\{.*\})? (\S+)$", text, re.M):
            reason = re.search(r'(?:limit|reason|error)="(\w+)"', labels)
            key = name.removeprefix("wsock_") + (":" + reason.group(1) if reason else "")
            found[key] = found.get(key, 0) + float(value)
        return found

    def is_left_by(self, sock):
        """Whether the other end of a connection is gone, which who does not read does not notice."""
        port = ":%04X" % sock.getsockname()[1]
        rows = [row.split() for row in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return not any(row[1].endswith(":%04X" % self.port) and row[2].endswith(port) and row[9] != "0" for row in rows)
