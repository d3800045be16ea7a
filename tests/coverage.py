#!/usr/bin/env python3
"""Which lines of the protocol the tests reach: coverage.py [LEAST] fails below that share in percent.

Builds the library's own tests, tests/proto and tests/fuzz_smoke.rs with `-C instrument-coverage`, in a target
directory of their own, runs them and prints a table of src/proto. What stands behind `#[cfg(test)]` does not count.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "src/proto"
TARGET = ROOT / "target/coverage"
PROFILES = TARGET / "profiles"
CARGO = os.environ.get("CARGO", "cargo")
TESTS = ["--lib", "--test", "proto", "--test", "fuzz_smoke"]
# The C interface's target has nothing of its own to say about the protocol, and takes longer than all others.
SKIPPED = {"fuzz_smoke": ["--skip", "ffi_calls"]}


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def tools(host):
    """llvm-profdata and llvm-cov of the compiler's own LLVM: others do not read its profiles."""
    directory = Path(output("rustc", "--print", "sysroot").strip(), "lib/rustlib", host, "bin")
    found = [directory / name for name in ("llvm-profdata", "llvm-cov")]
    if not all(tool.exists() for tool in found):
        sys.exit("coverage needs the tools of rustc's LLVM: rustup component add llvm-tools")
    return found


def build(host):
    """The test programs, by name. With --target build scripts go without instrumentation."""
    flags = f"{os.environ.get('RUSTFLAGS', '')} -C instrument-coverage".strip()
    env = dict(os.environ, RUSTFLAGS=flags, CARGO_TARGET_DIR=str(TARGET))
    command = [CARGO, "test", "--no-run", "--target", host, "--message-format=json-render-diagnostics", *TESTS]
    lines = subprocess.run(command, cwd=ROOT, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout
    messages = [json.loads(line) for line in lines.splitlines()]
    return {it["target"]["name"]: it["executable"] for it in messages if it.get("executable")}


def run(programs):
    shutil.rmtree(PROFILES, ignore_errors=True)
    for name, program in programs.items():
        env = dict(os.environ, LLVM_PROFILE_FILE=str(PROFILES / f"{name}-%p-%m.profraw"))
        subprocess.run([program, "--quiet", *SKIPPED.get(name, [])], cwd=ROOT, env=env, check=True)


def counts(profdata, cov, programs):
    """How often each line ran, by file."""
    merged = PROFILES / "merged.profdata"
    subprocess.run([profdata, "merge", "-sparse", "-o", merged, *PROFILES.glob("*.profraw")], check=True)
    first, *others = programs.values()
    objects = [argument for program in others for argument in ("-object", program)]
    report = output(cov, "export", "-format=lcov", f"-instr-profile={merged}", first, *objects, PROTO)
    files, lines = {}, {}
    for record in report.splitlines():
        kind, _, rest = record.partition(":")
        if kind == "SF":
            lines = files.setdefault(Path(rest), {})
        elif kind == "DA":
            line, count = rest.split(",")[:2]
            lines[int(line)] = max(lines.get(int(line), 0), int(count))
    return files


def only_for_tests():
    """Files that are modules behind `#[cfg(test)]`."""
    files = set()
    for parent in PROTO.rglob("*.rs"):
        folder = parent.parent if parent.name in ("mod.rs", "lib.rs") else parent.with_suffix("")
        for name in re.findall(r"^#\[cfg\(test\)\]\n(?:pub\S* )?mod (\w+);", parent.read_text(), re.M):
            files |= {folder / f"{name}.rs", folder / name / "mod.rs"}
    return files


def end_of_code(file):
    """The line where a module of tests begins: the last in every file that has one."""
    lines = file.read_text().splitlines()
    for number, (line, following) in enumerate(zip(lines, lines[1:]), 1):
        if line == "#[cfg(test)]" and re.fullmatch(r"mod \w+ \{", following):
            return number
    return len(lines) + 1


def show(files):
    """Prints the table; the share of all lines that ran."""
    skipped, ran, all_lines = only_for_tests(), 0, 0
    print(f"{'file':42} {'lines':>6} {'missed':>7} {'covered':>9}  not reached")
    for file in sorted(PROTO.rglob("*.rs")):
        if file in skipped:
            continue
        end = end_of_code(file)
        lines = {line: count for line, count in files.get(file, {}).items() if line < end}
        name = str(file.relative_to(PROTO))
        if not lines:
            print(f"{name:42} {'-':>6}   no code in this build")
            continue
        missed = sorted(line for line, count in lines.items() if count == 0)
        ran, all_lines = ran + len(lines) - len(missed), all_lines + len(lines)
        print(row(name, len(lines), len(missed)), ranges(missed))
    print(row("all of src/proto", all_lines, all_lines - ran))
    return 100 * ran / all_lines


def row(name, lines, missed):
    return f"{name:42} {lines:6} {missed:7} {100 * (lines - missed) / lines:8.2f}% "


def ranges(numbers):
    """1, 2, 3, 7 as 1-3 7."""
    spans = []
    for number in numbers:
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)


def main():
    least = float(sys.argv[1]) if len(sys.argv) > 1 else 95.0
    host = re.search(r"^host: (.*)$", output("rustc", "-vV"), re.M)[1]
    profdata, cov = tools(host)
    programs = build(host)
    run(programs)
    share = show(counts(profdata, cov, programs))
    if share < least:
        sys.exit(f"{share:.2f} % of the lines were reached, and {least:g} % are asked for")


main()
