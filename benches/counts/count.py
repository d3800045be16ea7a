#!/usr/bin/env python3
"""Counts the instructions of what the library does, and compares them with a baseline.

    count.py            measures; fails when something has become dearer
    count.py --accept   measures, and writes the baseline anew
    count.py --baseline ELSEWHERE/target/counts/figures.txt
                        compares with what was measured last in another checkout

Time depends on the machine and on what else it does; the number of instructions does not, so a change of one per cent
shows in one run. Valgrind's callgrind counts two programs, `parts.rs` (parts of the library, in memory) and `api.c`
(server and client through wsock.h). In both it counts what runs inside a function called `counted` and writes down
the sum whenever one called `row_done` returns.

The kernel's instructions are not counted, nor the clients' in rows about a server. The numbers hold for one compiler,
one C library and one valgrind: with others the comparison is shown, and fails nobody.
"""
import argparse
import json
import os
import pathlib
import platform
import re
import resource
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "benches/counts"
OUT = ROOT / "target/counts"
CARGO = os.environ.get("CARGO", "cargo")
# Per cent above the baseline that pass. The same build differs from run to run by at most 0.1, accepting a connection
# and TLS by 1, because hash tables and keys are random.
TOLERANCE = 3
# What decides which of its instructions valgrind offers a program. AVX-512 is not among them, whatever the processor has.
FEATURES = ["avx2", "f16c", "rdrand", "rdseed"]
# The most that a program needs: 1,000 connections, both ends, and what valgrind keeps for itself.
DESCRIPTORS = 4096
HEADING = """\
# Instructions for each message, call or connection. `make counts` compares with these figures, `make counts-accept`
# writes them anew. They were counted with:
"""


def run(command, **more):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT, **more).stdout


def surroundings():
    """What the figures depend on besides the library."""
    flags = re.search(r"^flags\s*:(.*)", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    flags = flags.group(1).split() if flags else []
    rustc = run([os.environ.get("RUSTC", "rustc"), "--version"]).strip()
    cpu = " ".join([platform.machine()] + [flag for flag in FEATURES if flag in flags])
    return [rustc, os.confstr("CS_GNU_LIBC_VERSION"), run(["valgrind", "--version"]).strip(), cpu]


def build_parts():
    """Where cargo puts the program is in what it reports."""
    lines = run([CARGO, "build", "--release", "--bench", "counts", "--message-format=json-render-diagnostics"])
    artefacts = [json.loads(line) for line in lines.splitlines()]
    return next(it["executable"] for it in artefacts if it.get("target", {}).get("kind") == ["bench"])


def certificate():
    """The record layer does the same for every certificate, so this one may last."""
    files = [OUT / "cert.pem", OUT / "key.pem"]
    if not all(file.exists() for file in files):
        run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "3650",
             "-subj", "/CN=localhost", "-out", files[0], "-keyout", files[1]], stderr=subprocess.DEVNULL)
    return files


def count(name, command):
    """The figures of one program. What callgrind wrote stays in target/counts, for callgrind_annotate."""
    for old in OUT.glob(f"{name}.callgrind*"):
        old.unlink()
    valgrind = ["valgrind", "--tool=callgrind", "--collect-atstart=no", "--toggle-collect=counted", "--dump-after=row_done",
                f"--callgrind-out-file={OUT / name}.callgrind", f"--log-file={OUT / name}.log", *command]
    # Settings of allocator, loader and library in the environment would count.
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "LD_BIND_NOW": "1"}
    figures = {}
    for number, line in enumerate(run(valgrind, env=environment).splitlines(), 1):
        times, row = line.split("\t")
        total = re.search(r"^summary: (\d+)", (OUT / f"{name}.callgrind.{number}").read_text(), re.M).group(1)
        figures[row] = int(total) / int(times)
    return figures


def measure():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, DESCRIPTORS)), hard))
    parts = build_parts()
    return count("parts", [parts]) | count("api", [OUT / "api", *certificate()])


def read(path):
    """Surroundings and figures."""
    lines = path.read_text().splitlines() if path.exists() else []
    figures = (line.split(None, 1) for line in lines if line and not line.startswith("#"))
    return [line[4:] for line in lines if line.startswith("#   ")], {name: float(figure) for figure, name in figures}


def write(path, where, figures):
    lines = [f"{figure:12.1f}  {name}\n" for name, figure in figures.items()]
    path.write_text(HEADING + "".join(f"#   {line}\n" for line in where) + "".join(lines))


def judge(old_where, old, where, figures):
    """Prints the comparison; whether everything is as cheap as it was."""
    dearer, cheaper, unknown = [], [], [name for name in old if name not in figures]
    print(f"{'instructions':>12} {'baseline':>12} {'change':>8}")
    for name, figure in figures.items():
        if name not in old:
            unknown.append(name)
            print(f"{figure:12,.1f} {'none':>12} {'':>8}  {name}")
            continue
        change = (figure / old[name] - 1) * 100
        over = [kind for kind, amount in ((dearer, change), (cheaper, -change)) if amount > TOLERANCE]
        for kind in over:
            kind.append(name)
        print(f"{figure:12,.1f} {old[name]:12,.1f} {change:+7.1f}%  {name}{'  <' if over else ''}")
    print()
    if where != old_where:
        print("The baseline was counted with other tools, so the change is not only the library's, and nothing fails:")
        for line in sorted(set(old_where) - set(where)):
            print(f"  baseline: {line}")
        for line in sorted(set(where) - set(old_where)):
            print(f"  here:     {line}")
        return True
    if cheaper:
        print(f"Much cheaper: {', '.join(cheaper)}.\nHold on to it: make counts-accept, and commit the baseline.")
    if unknown:
        print(f"In the baseline or counted, but not both: {', '.join(unknown)}.\nWrite it anew: make counts-accept.")
    if dearer:
        print(f"Dearer than {HERE.relative_to(ROOT)}/baseline.txt allows: {', '.join(dearer)}.\n"
              "Where: callgrind_annotate target/counts/parts.callgrind.N or api.callgrind.N, by the order of the rows.\n"
              "If it is worth its price: make counts-accept, and say in the commit why.")
    return not dearer and not unknown


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accept", action="store_true", help="write the baseline anew")
    parser.add_argument("--baseline", type=pathlib.Path, default=HERE / "baseline.txt")
    parser.add_argument("--figures", type=pathlib.Path, help="judge the figures in this file instead of measuring")
    args = parser.parse_args()
    if args.figures:
        where, figures = read(args.figures)
    else:
        OUT.mkdir(parents=True, exist_ok=True)
        try:
            where, figures = surroundings(), measure()
        except subprocess.CalledProcessError as error:
            sys.exit(f"counts: this has failed, see above: {' '.join(map(str, error.cmd))}")
        write(OUT / "figures.txt", where, figures)
    fine = judge(*read(args.baseline), where, figures)
    if args.accept:
        write(args.baseline, where, figures)
        print(f"Accepted: {args.baseline} is written anew.")
    return 0 if fine or args.accept else 1


if __name__ == "__main__":
    sys.exit(main())
