#!/usr/bin/env python3
"""The guard of `make counts`: what it says about figures that are given, and whether it fails.

Every case is the committed baseline itself, changed in one place.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
BASELINE = (ROOT / "benches/counts/baseline.txt").read_text()
ROW = "echo binary 125 B"
LINE = re.compile(rf"^ *([\d.]+)  {ROW}$", re.M)


def times(factor):
    """The baseline with one figure so much larger."""
    return LINE.sub(lambda found: f"{float(found.group(1)) * factor:.1f}  {ROW}", BASELINE)


def main():
    # name, what was counted, whether it passes, what is said
    cases = [
        ("the same", BASELINE, True, f"+0.0%  {ROW}\n"),
        ("within the tolerance", times(1.02), True, f"+2.0%  {ROW}\n"),
        ("dearer", times(1.04), False, f"+4.0%  {ROW}  <\n"),
        ("cheaper", times(0.9), True, f"Much cheaper: {ROW}."),
        ("a row more", BASELINE + "1.0  something new\n", False, "but not both: something new."),
        ("a row less", LINE.sub("", BASELINE), False, f"but not both: {ROW}."),
        ("another compiler", times(2).replace("#   rustc ", "#   rustc 9"), True, "counted with other tools"),
    ]
    with tempfile.TemporaryDirectory() as directory:
        figures, baseline = pathlib.Path(directory, "figures"), pathlib.Path(directory, "baseline")

        def judge(counted, *more):
            figures.write_text(counted)
            command = [sys.executable, ROOT / "benches/counts/count.py", "--figures", figures, "--baseline", baseline, *more]
            return subprocess.run(command, capture_output=True, text=True)

        baseline.write_text(BASELINE)
        for name, counted, passes, says in cases:
            result = judge(counted)
            assert (result.returncode == 0) == passes, f"{name}: {result.stdout}{result.stderr}"
            assert says in result.stdout, f"{name}: {result.stdout}"
        assert "make counts-accept" in judge(times(1.04)).stdout
        assert judge(times(1.04), "--accept").returncode == 0
        assert judge(times(1.04)).returncode == 0, "what was accepted passes"
        assert judge(times(1.1)).returncode != 0, "and what is dearer still does not"
    print(f"counts: {len(cases)} cases")


if __name__ == "__main__":
    main()
