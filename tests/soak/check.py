#!/usr/bin/env python3
"""The soak itself, for moments, and its judge on figures that are made up. How fast anything is does not matter."""
import pathlib
import random
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
import judge  # noqa: E402

# At first memory rises, as it does.
USUAL = {"heap_kib": (20000, 1500), "rss_kib": (50000, 2000), "descriptors": (70, 8), "p50_us": (250, 60)}
FIRST = {"descriptors": 5, "heap_kib": 200}
LAST = {"at": 1.0, "end": True, "descriptors": 5, "heap_kib": 700, "p50_us": 0, "asked": 0, **{
    name: 9 for pair in judge.BOOKS for name in pair}}


def samples(count=600, gains=None, seed=1):
    """Made-up seconds: each figure wavers, with a memory of some seconds; `gains` is what one gains in all."""
    chance, wavering, made = random.Random(seed), dict.fromkeys(USUAL, 0.0), []
    for second in range(1, count + 1):
        sample = {"at": float(second)}
        for figure, (mean, spread) in USUAL.items():
            wavering[figure] = 0.8 * wavering[figure] + 0.6 * spread * chance.gauss(0, 1)
            begun = 1 - 0.5 / second ** 0.5 if second < count * judge.WARM_UP else 1
            gain = (gains or {}).get(figure, 0) * second / count
            sample[figure] = mean * begun + wavering[figure] + gain
        made.append(sample)
    return made


def drifting(**how):
    return [trend.name for trend in judge.trends(samples(**how)) if trend.drifts]


class TheJudge(unittest.TestCase):
    def test_what_only_wavers_is_flat(self):
        for seed in range(50):
            self.assertEqual(drifting(seed=seed), [])

    def test_a_leak_is_found(self):
        # 60 bytes for each of 90,000 connections
        for seed in range(10):
            self.assertEqual(drifting(seed=seed, gains={"heap_kib": 5300}), ["allocated"])

    def test_so_are_descriptors_and_latency(self):
        self.assertEqual(drifting(gains={"descriptors": 30}), ["descriptors"])
        self.assertEqual(drifting(gains={"p50_us": 400}), ["median echo"])
        self.assertEqual(drifting(gains={"rss_kib": 15000}), ["resident"])

    def test_what_shrinks_is_fine(self):
        self.assertEqual(drifting(gains={"heap_kib": -8000, "p50_us": -100}), [])

    def test_the_slope_is_that_of_the_line(self):
        slope, error = judge.line([(x, 3 * x + 7) for x in range(20)])
        self.assertAlmostEqual(slope, 3)
        self.assertAlmostEqual(error, 0)

    def test_few_samples_are_not_judged(self):
        self.assertIsNone(judge.trends(samples(count=60)))

    def test_the_books(self):
        self.assertEqual(judge.books(FIRST, LAST), [])
        wrong = {"closes": "connects 9, but closes 8", "released": "handed 9, but released 8", "freed": "retained 9, but freed 8",
                 "given_back": "lent 9, but given_back 8", "drained": "pulled 9, but drained 8"}
        for name, said in wrong.items():
            self.assertEqual(judge.books(FIRST, {**LAST, name: 8}), [said])
        self.assertEqual(judge.books(FIRST, {**LAST, "descriptors": 6}), ["5 descriptors before and 6 after"])
        self.assertIn("2800 KiB are still allocated", judge.books(FIRST, {**LAST, "heap_kib": 3000})[0])
        self.assertEqual(judge.books(FIRST, {**LAST, "lent": 0, "given_back": 0}),
                         ["nothing was counted of lent", "nothing was counted of given_back"])


class TheSoak(unittest.TestCase):
    def test_it_churns_and_leaves_nothing(self):
        done = subprocess.run([sys.executable, HERE / "run.py", "--minutes", "0.2", "--actors", "40", "--pause", "20"],
                              capture_output=True, text=True, timeout=180)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("Too short for trends", done.stdout)


if __name__ == "__main__":
    unittest.main()
