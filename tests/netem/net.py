"""Two network namespaces and a link between them that can be spoiled. What is made is removed, however it ends."""
import itertools
import os
import pathlib
import shutil
import signal
import subprocess
from dataclasses import dataclass

from wire import Wire

NUMBERS = itertools.count(1)
CLIENT, SERVER = "10.77.0.1", "10.77.0.2"


class Cannot(Exception):
    """This machine does not have what is needed; the text says what."""


@dataclass
class Trouble:
    """Per cent, and milliseconds. With reorder, so many packets overtake the others."""
    loss: float = 0
    delay: float = 0
    jitter: float = 0
    reorder: float = 0
    duplicate: float = 0

    def netem(self):
        words = ["delay", f"{self.delay}ms", f"{self.jitter}ms"] if self.delay else []
        for name in ("loss", "reorder", "duplicate"):
            words += [name, f"{getattr(self, name)}%"] if getattr(self, name) else []
        return words


def run(*words, **how):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **how)
    if done.returncode:
        raise Cannot(f"{' '.join(map(str, words))}: {done.stderr.strip()}")
    return done.stdout


class Net:
    """kind is "veth" or "wire"; a wire has its trouble in userspace, a veth by netem."""

    def __init__(self, kind="veth", trouble=None):
        self.kind, self.wire = kind, None
        self.mark = f"{os.getpid()}x{next(NUMBERS)}"
        self.spaces = [f"wsock-{end}{self.mark}" for end in "cs"]
        try:
            self.build(trouble or Trouble())
        except BaseException:
            self.close()
            raise

    def build(self, trouble):
        for space in self.spaces:
            run("ip", "netns", "add", space)
        names = [f"w{end}{self.mark}" for end in "cs"]
        if self.kind == "wire":
            self.wire = Wire(names, trouble)
        else:
            run("ip", "link", "add", names[0], "type", "veth", "peer", "name", names[1])
        for end, (space, name, address) in enumerate(zip(self.spaces, names, (CLIENT, SERVER))):
            run("ip", "link", "set", name, "netns", space, "name", "link0")
            # What crosses the link are packets as a network card sends them, not 64 KiB at once.
            run("ip", "-n", space, "link", "set", "link0", "gso_max_segs", 1)
            run("ip", "-n", space, "addr", "add", f"{address}/24", "dev", "link0")
            run("ip", "-n", space, "link", "set", "lo", "up")
            run("ip", "-n", space, "link", "set", "link0", "up")
            if self.kind == "netem":
                run("tc", "-n", space, "qdisc", "add", "dev", "link0", "root", "netem", "limit", 10000, *trouble.netem())

    def inside(self, end, *words):
        """The command that runs in the client's (0) or the server's (1) namespace."""
        return ["ip", "netns", "exec", self.spaces[end], *map(str, words)]

    def set(self, end, name, value):
        run(*self.inside(end, "sysctl", "-qw", f"{name}={value}"))

    def rule(self, end, rule, hook="input"):
        """Drops what the rule of nftables matches as it comes in to (or, with output, goes out of) that end."""
        text = f"add table inet spoiled\nadd chain inet spoiled {hook} {{ type filter hook {hook} priority 0; }}\n" \
               f"add rule inet spoiled {hook} {rule} drop\n"
        run(*self.inside(end, "nft", "-f", "-"), input=text)

    def heal(self):
        for end in (0, 1):
            subprocess.run(self.inside(end, "nft", "delete", "table", "inet", "spoiled"), capture_output=True)

    def link(self, end, state):
        run("ip", "-n", self.spaces[end], "link", "set", "link0", state)

    def counted(self, name):
        """A figure of TCP at both ends together, by its name in /proc/net/snmp or /proc/net/netstat."""
        total = 0
        for end in (0, 1):
            lines = run(*self.inside(end, "cat", "/proc/net/snmp", "/proc/net/netstat")).splitlines()
            for names, figures in zip(lines[::2], lines[1::2]):
                total += int(dict(zip(names.split(), figures.split())).get(name, 0))
        return total

    def close(self):
        if self.wire:
            self.wire.close()
        for space in self.spaces:
            subprocess.run(["ip", "netns", "del", space], capture_output=True)
            forget(space)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def forget(space):
    """Files that are laid over those in /etc for programs in there."""
    shutil.rmtree(pathlib.Path("/etc/netns", space), ignore_errors=True)


def remove_all():
    """Whatever this process has made, and what runs in it: for when it ends in the midst."""
    def output(*words):
        return subprocess.run(["ip", "netns", *words], capture_output=True, text=True).stdout.split()
    for space in output("list"):
        if space.startswith(("wsock-c", "wsock-s")) and space[len("wsock-c"):].split("x")[0] == str(os.getpid()):
            for pid in output("pids", space):
                os.kill(int(pid), signal.SIGKILL)
            output("del", space)
            forget(space)


def look_for_means():
    """Raises Cannot when there is not even a link, or nothing to spoil it with."""
    if os.geteuid() != 0:
        raise Cannot("only root may make network namespaces")
    for program, package in {"ip": "iproute2", "tc": "iproute2", "nft": "nftables", "sysctl": "procps", "openssl": "openssl"}.items():
        if not shutil.which(program):
            raise Cannot(f"there is no {program}: apt-get install {package}")
    with Net() as net:
        net.set(0, "net.ipv4.ip_no_pmtu_disc", 0)
        net.rule(0, "meta iifname nowhere numgen random mod 100 < 1")


def spoiling_kind():
    """How packets are delayed and reordered here: by netem, or by a wire of our own."""
    try:
        Net("netem", Trouble(delay=1)).close()
        return "netem"
    except Cannot as without:
        if not os.path.exists("/dev/net/tun"):
            raise Cannot("neither netem nor /dev/net/tun is here") from without
        return "wire"
