#!/usr/bin/env python3
"""Where the echo server spends its time under load, as a flame graph.

    profiler.py SERVER LOADGEN OUT [load generator's switches]

Takes samples of SERVER with perf while LOADGEN loads it, and writes OUT/flame.svg and OUT/stacks.txt. The samples stay
in OUT/perf.data: `perf report -i` and `perf annotate -i` say more about one function, and what was inlined into it.
"""
import collections
import os
import pathlib
import re
import signal
import subprocess
import sys

import flame

SECONDS = 6
# Samples per second: no divisor of what the kernel's own timers run at.
RATE = 1999
# What the call of the kernel begins with says nothing; how it goes on inside is not ours to change.
ENTRY = re.compile(r"entry_SYSCALL|do_syscall_64|syscall_return|^x64_sys_call|^ret_from")
KERNEL_DEPTH = 5
# What calls main.
START = re.compile(r"^_start$|^__libc_start")
FRAME = re.compile(r"^\s+[0-9a-f]+ (.*) \((.*)\)$")


def name_of(symbol, place):
    """A frame with its owner, as flame.py wants it; None for one that only is in the way."""
    symbol = re.sub(r"\+0x[0-9a-f]+$", "", symbol)
    symbol = re.sub(r"::h[0-9a-f]{16}(\.llvm\.\d+)?$", "", symbol)
    if "kernel" in place or place.endswith(".ko"):
        return None if ENTRY.search(symbol) else f"kernel|{symbol}"
    if symbol == "[unknown]" or START.search(symbol):
        return None
    symbol = re.sub(r"<impl [^<>]*>::", "", symbol)
    if "libwsock" in place or "::" in symbol:
        return f"library|{symbol}"
    if pathlib.Path(place).name in ("libc.so.6", "ld-linux-x86-64.so.2", "[vdso]"):
        return f"libc|{symbol}"
    return f"program|{symbol}"


def fold(script):
    """Stacks and how often each was seen, outermost first."""
    stacks = collections.Counter()
    for sample in script.split("\n\n"):
        frames = filter(None, map(FRAME.match, sample.splitlines()))
        names = [name.replace(";", ",") for name in (name_of(*frame.groups()) for frame in frames) if name]
        names.reverse()
        kernel = [name for name in names if name.startswith("kernel|")]
        user = [name for name in names if not name.startswith("kernel|")]
        if names:
            stacks[tuple(user + kernel[:KERNEL_DEPTH])] += 1
    return stacks


def main():
    server_program, loadgen, out, *switches = sys.argv[1:]
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    cores = sorted(os.sched_getaffinity(0))
    server = subprocess.Popen(["taskset", "-c", str(cores[0]), server_program], stdout=subprocess.PIPE, text=True)
    try:
        port = re.search(r":(\d+)/", server.stdout.readline()).group(1)
        load = subprocess.Popen([loadgen, "--port", port, "--cpu", str(cores[-1]), "--time", str(SECONDS), "--warmup", "0.5",
                                 *switches], stdout=subprocess.PIPE, text=True)
        subprocess.run(["perf", "record", "-q", "-e", "cpu-clock", "-F", str(RATE), "--call-graph", "dwarf,16384", "-p",
                        str(server.pid), "-o", out / "perf.data", "sleep", str(SECONDS - 1)], check=True)
        if load.wait() != 0:
            sys.exit("profile: the load generator has failed")
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()
    script = subprocess.run(["perf", "script", "--no-inline", "-i", out / "perf.data", "-F", "ip,sym,dso"], check=True, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    stacks = sorted(fold(script).items())
    with open(out / "stacks.txt", "w") as file:
        file.writelines(f"{';'.join(names)} {count}\n" for names, count in stacks)
    title = f"CPU time of {pathlib.Path(server_program).name} under load: {' '.join(switches)}"
    with open(out / "flame.svg", "w") as file:
        file.writelines(flame.draw(title, stacks))
    print(f"{out}/flame.svg: {sum(count for _, count in stacks)} samples. Look at it in a browser.")


if __name__ == "__main__":
    main()
