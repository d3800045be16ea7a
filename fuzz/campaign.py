#!/usr/bin/env python3
"""Fuzzes all targets for hours, one at a time, most of the time those whose coverage still grows.

    campaign.py run MINUTES [TARGET...]   of CPU time; goes on from where the last run ended
    campaign.py table                     what has been run so far, as Markdown
    campaign.py keep                      puts inputs that reach new edges into seeds/, at most 40 for each target

What run.sh has built is run; corpora, artifacts and the log lie where it has them. While the file in the environment
variable FUZZ_PAUSE exists, nothing new begins.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", HERE / "target")) / "fuzz"
LOG = HERE / "corpus" / "log.jsonl"
PAUSE = os.environ.get("FUZZ_PAUSE")
LONGEST = 60
SEEDS, SEED_SIZE = 40, 200_000


def programs(wanted):
    """The targets that were built, by name."""
    manifests = [HERE / "Cargo.toml", HERE / "differential/Cargo.toml"]
    text = "".join(manifest.read_text() for manifest in manifests)
    names = re.findall(r'^path = "fuzz_targets/(.*)\.rs"', text, re.M)
    built = {name: path for name in names for path in TARGET.glob(f"*/release/{name}")}
    return {name: path for name, path in built.items() if not wanted or name in wanted}


def logged():
    lines = LOG.read_text().splitlines() if LOG.exists() else []
    slices = {}
    for record in map(json.loads, lines):
        slices.setdefault(record["target"], []).append(record)
    return slices


def seconds(slices):
    """Longer while it pays: by how much the last slice has added to what the one before it had reached."""
    if len(slices) < 2:
        return LONGEST // 2
    before, now = (record["features"] for record in slices[-2:])
    growth = (now - before) / max(now, 1)
    return LONGEST if growth > 0.002 else LONGEST // 2 if growth > 0 else LONGEST // 12


def run_slice(name, program, limit):
    corpus, artifacts = HERE / "corpus" / name, HERE / "artifacts" / name
    for directory in (corpus, artifacts):
        directory.mkdir(parents=True, exist_ok=True)
    command = [program, corpus, HERE / "seeds" / name, f"-artifact_prefix={artifacts}/", f"-max_total_time={limit}",
               "-timeout=20", "-rss_limit_mb=900", "-print_final_stats=1", "-reload=0"]
    with open(artifacts / "log", "w") as log:
        process = subprocess.Popen(command, stderr=log, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    text = (artifacts / "log").read_text(errors="replace")
    if process.returncode:
        shutil.copy(artifacts / "log", artifacts / f"log-{int(time.time())}")
        print(f"{name}: failed; see {artifacts}", flush=True)
    reached = re.findall(r"cov: (\d+) ft: (\d+)", text)
    ran = re.findall(r"number_of_executed_units:\s*(\d+)", text) or re.findall(r"^#(\d+)", text, re.M)
    edges, features = map(int, reached[-1]) if reached else (0, 0)
    return {"target": name, "cpu": usage.ru_utime + usage.ru_stime, "runs": int(ran[-1]) if ran else 0,
            "edges": edges, "features": features, "failed": process.returncode != 0}


def run(minutes, wanted):
    slices, spent = logged(), 0.0
    LOG.parent.mkdir(exist_ok=True)
    while True:
        for name, program in programs(wanted).items():
            if spent >= minutes * 60:
                return
            while PAUSE and os.path.exists(PAUSE):
                time.sleep(2)
            record = run_slice(name, program, seconds(slices.get(name, [])))
            slices.setdefault(name, []).append(record)
            spent += record["cpu"]
            with open(LOG, "a") as log:
                log.write(json.dumps(record) + "\n")


def table():
    print("| target | CPU minutes | executions | edges | features | failed slices |\n| --- | --: | --: | --: | --: | --: |")
    minutes = runs = 0
    for name, slices in sorted(logged().items()):
        cpu, count = sum(it["cpu"] for it in slices) / 60, sum(it["runs"] for it in slices)
        most = [max(it[what] for it in slices) for what in ("edges", "features")]
        minutes, runs = minutes + cpu, runs + count
        print(f"| {name} | {cpu:.1f} | {count:,} | {most[0]} | {most[1]} | {sum(it['failed'] for it in slices)} |")
    print(f"| all | {minutes:.1f} | {runs:,} | | | |")


def keep():
    """By edges alone: how often each was taken would keep thousands."""
    for name, program in programs([]).items():
        seeds, found, corpus = HERE / "seeds" / name, HERE / "corpus" / f"{name}.new", HERE / "corpus" / name
        if not corpus.is_dir():
            continue
        shutil.rmtree(found, ignore_errors=True)
        shutil.copytree(seeds, found)
        before = {file.name for file in found.iterdir()}
        command = [program, "-set_cover_merge=1", "-use_counters=0", "-use_cmp=0", "-timeout=20", found, corpus]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        size = sum(file.stat().st_size for file in seeds.iterdir())
        for file in sorted(found.iterdir(), key=lambda file: file.stat().st_size):
            size += file.stat().st_size
            if file.name in before or len(list(seeds.iterdir())) >= SEEDS or size > SEED_SIZE:
                continue
            shutil.copy(file, seeds / f"found_{hashlib.sha1(file.read_bytes()).hexdigest()[:12]}")
        shutil.rmtree(found)


def main():
    match sys.argv[1:]:
        case ["run", minutes, *wanted]:
            run(float(minutes), wanted)
        case ["table"]:
            table()
        case ["keep"]:
            keep()
        case _:
            sys.exit(__doc__)


main()
