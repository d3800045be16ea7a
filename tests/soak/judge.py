"""Whether the figures of a soak stay where they are: the slope of each after a warm-up, with its bounds, and the books at
the end.

Samples of neighbouring seconds resemble each other, since what is on the way lasts longer than a second. So the time is cut
into blocks, a straight line is laid through their middles, and it is the scatter of these that says how sure the slope is.
A figure drifts when even the lower bound of its slope makes it grow by more than is allowed over the time measured.
"""
import math
import statistics
from dataclasses import dataclass

WARM_UP = 0.25
BLOCKS = 20
LEAST = 5 * BLOCKS  # samples: blocks of five seconds at least
STUDENT = 2.878  # 99 %, both sides, for BLOCKS - 2 degrees of freedom

# What each figure may grow by over the time measured: a part of its mean, and at least so much. Allocated memory is what is
# on the way at the moment, so a mean of minutes is steady; the resident set has the allocator's gaps, too, which still grow
# a little when everything has long had its place; latency is that of a machine with other work, whose moments a median
# does not see. Last comes what is taken for the middle of a block.
FIGURES = {
    "heap_kib": ("allocated", "KiB", 0.02, 256, statistics.fmean),
    "rss_kib": ("resident", "KiB", 0.05, 1024, statistics.fmean),
    "descriptors": ("descriptors", "", 0, 2, statistics.fmean),
    "p50_us": ("median echo", "us", 0.25, 50, statistics.median),
}

# What has to be the same when all has been taken down.
BOOKS = [("connects", "closes"), ("handed", "released"), ("lent", "given_back"), ("retained", "freed"),
         ("pulled", "drained")]

# KiB: what stays allocated for good once everything has been used, in pools, tables and caches, with room to spare.
# It does not depend on how long the soak was.
REMAINS = 1024


@dataclass
class Trend:
    """Of one figure: its mean and what the line through it gains over the time measured, give or take."""
    name: str
    unit: str
    mean: float
    growth: float
    doubt: float
    allowed: float

    @property
    def drifts(self):
        return self.growth - self.doubt > self.allowed

    @property
    def noticed(self):
        """Growth that would have been noticed."""
        return self.allowed + self.doubt


def line(points):
    """(slope, standard error) of the straight line that is nearest to (x, y) points."""
    n = len(points)
    x_mean, y_mean = (sum(point[i] for point in points) / n for i in (0, 1))
    spread = sum((x - x_mean) ** 2 for x, _ in points)
    slope = sum((x - x_mean) * (y - y_mean) for x, y in points) / spread
    rest = sum((y - y_mean - slope * (x - x_mean)) ** 2 for x, y in points)
    return slope, math.sqrt(rest / (n - 2) / spread)


def settled(samples):
    """Those after the warm-up."""
    begin = samples[-1]["at"] * WARM_UP
    return [sample for sample in samples if sample["at"] >= begin]


def trend(samples, figure):
    name, unit, part, least, middle = FIGURES[figure]
    per_block = len(samples) / BLOCKS
    blocks = [samples[round(i * per_block):round((i + 1) * per_block)] for i in range(BLOCKS)]
    points = [tuple(middle([sample[key] for sample in block]) for key in ("at", figure)) for block in blocks]
    slope, error = line(points)
    time = samples[-1]["at"] - samples[0]["at"]
    mean = sum(y for _, y in points) / BLOCKS
    return Trend(name, unit, mean, slope * time, STUDENT * error * time, max(part * mean, least))


def trends(samples):
    """None when there are too few samples for that."""
    measured = settled(samples)
    return [trend(measured, figure) for figure in FIGURES] if len(measured) >= LEAST else None


def books(first, last):
    """What does not add up when all has been taken down, as sentences."""
    faults = [f"{one} {last[one]}, but {other} {last[other]}" for one, other in BOOKS if last[one] != last[other]]
    if last["descriptors"] != first["descriptors"]:
        faults.append(f"{first['descriptors']} descriptors before and {last['descriptors']} after")
    if last["heap_kib"] - first["heap_kib"] > REMAINS:
        faults.append(f"{last['heap_kib'] - first['heap_kib']} KiB are still allocated, of which {REMAINS} were expected at most")
    faults += [f"nothing was counted of {name}" for name in last if name not in ("end", "asked") and last[name] == 0
               and not name.endswith("_us")]
    return faults
