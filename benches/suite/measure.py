"""Sides take turns: every sample comes right behind one of the reference, and the ratio is formed within the pair."""
import contextlib
import dataclasses

from .processes import Failure
from .sides import Side

AGAIN = "again"


def sides_for(config, sides):
    """(reference, [those that can do it]); the first of them is the reference once more, for the noise."""
    reference = next(side for side in sides if side.name == config.reference)
    able = [side for side in sides if config.mode in side.commands]
    if config.kind == "memory":
        return reference, able  # each measured by itself: there is nothing to drift
    others = [side for side in able if side is not reference]
    again = dataclasses.replace(reference, name=AGAIN, title=reference.title + " again")
    return reference, [again, *others]


def samples(config, sides, rounds):
    """How many samples a configuration takes."""
    reference, others = sides_for(config, sides)
    return rounds * len(others) * (1 if config.kind == "memory" else 2)


class Pair:
    """The reference and the others of a configuration, with the servers they need."""

    def __init__(self, bench, config, reference):
        self.bench, self.config, self.reference = bench, config, reference
        self.base = dataclasses.replace(config, mode="echo") if config.base is not None else config
        self.servers, self.stack = {}, contextlib.ExitStack()

    def start(self, side, base):
        """`base`: it is the reference, or that again."""
        config = self.base if base else self.config
        if config.kind == "load":
            server = self.servers[side.name] = self.stack.enter_context(self.bench.server(side, config))
            self.bench.warm_up(side, config, server, base)

    def figure(self, side):
        """A sample of a side, or of the reference for None."""
        base = side is None or side.name == AGAIN
        side, config = side or self.reference, self.base if base else self.config
        if config.kind == "load":
            return self.bench.load(side, config, self.servers[side.name], base)
        return getattr(self.bench, config.kind)(side, config)


def measure(bench, config, sides, rounds, progress):
    """A record for each side, the reference's first."""
    reference, others = sides_for(config, sides)
    pair = Pair(bench, config, reference)
    paired = config.kind != "memory"
    records = {side.name: {"config": config.name, "side": side.name, "title": side.title, "version": side.version,
                           "samples": []} for side in ([reference, *others] if paired else others)}
    with pair.stack:
        if paired:
            needed(config, lambda: pair.start(reference, True))
        for side in others:
            try:
                pair.start(side, side.name == AGAIN)
            except Failure as failure:
                records[side.name]["failed"] = str(failure)
        for round_ in range(rounds):
            for side in others if round_ % 2 == 0 else reversed(others):
                record = records[side.name]
                progress.step(config, side, round_, rounds)
                if "failed" not in record:
                    try:
                        take(pair, side, record, records[reference.name] if paired else None)
                    except Failure as failure:
                        record["failed"] = str(failure)
                progress.advance(2 if paired else 1)
    return list(records.values())


def needed(config, step):
    """Without its reference nothing of a configuration can be measured."""
    try:
        return step()
    except Failure as failure:
        raise SystemExit(f"the reference of {config.name} fails: {failure}") from failure


def take(pair, side, record, reference):
    """A sample of the reference, and right behind it one of the side."""
    if reference is None:
        record["samples"].append(pair.figure(side))
        return
    before = needed(pair.config, lambda: pair.figure(None))
    found = pair.figure(side)
    found["ratio"] = before["figure"] / found["figure"]
    reference["samples"].append(before)
    record["samples"].append(found)
