#!/usr/bin/env python3
"""Draws a flame graph: stacks, one a line, `outermost;...;innermost COUNT`, become an SVG.

    flame.py --title TEXT < stacks > flame.svg

Each box is a function, as wide as the share of samples that were in it or in what it called, which stands above it.
Boxes are in the order of their names, not of time. The part of a name before a `|` says whose it is, and so the colour.
"""
import argparse
import html
import sys

WIDTH, MARGIN, ROW, HEAD, LETTER = 1200, 10, 16, 46, 6.2
# Narrower boxes are left out.
LEAST = 0.4
# Whose a frame is, by the start of its name; the first that fits.
OWNERS = [
    ("kernel|", "kernel", "#b9c4d0"),
    ("library|wsock::proto", "proto", "#f0a24b"),
    ("library|wsock::driver", "driver", "#e8745c"),
    ("library|wsock::transport", "transport", "#d98bb0"),
    ("library|wsock", "ffi, util", "#f3cf5b"),
    ("library|", "crates and Rust's library", "#ecdfae"),
    ("program|", "application", "#8cc084"),
    ("", "C library", "#a8d3cf"),
]


class Frame:
    def __init__(self):
        self.count = 0
        self.callees = {}

    def add(self, names, count):
        frame = self
        frame.count += count
        for name in names:
            frame = frame.callees.setdefault(name, Frame())
            frame.count += count

    def depth(self, least):
        callees = [frame.depth(least) for frame in self.callees.values() if frame.count >= least]
        return 1 + max(callees, default=0)


def owner(name):
    return next((label, color) for start, label, color in OWNERS if name.startswith(start))


def box(name, frame, total, x, y, width):
    title = html.escape(name.split("|")[-1])
    share = f"{frame.count / total:.1%}"
    label = shorten(name.split("|")[-1].removeprefix("wsock::"), int((width - 6) / LETTER))
    text = f'<text x="{x + 3:.1f}" y="{y + ROW - 5}">{html.escape(label)}</text>' if label else ""
    return (f'<g><title>{title} ({share})</title><rect x="{x:.1f}" y="{y}" width="{max(width - 0.5, 0.3):.1f}" '
            f'height="{ROW - 1}" rx="1.5" fill="{owner(name)[1]}"/>{text}</g>\n')


def shorten(name, fits):
    """The end of a path says most: modules go first, then the name's own end."""
    while len(name) > fits and "::" in name:
        name = name.split("::", 1)[1]
    if len(name) <= fits:
        return name
    return name[:fits - 1] + "…" if fits >= 4 else ""


def boxes(frame, total, x, level, height, scale):
    for name, callee in sorted(frame.callees.items()):
        width = callee.count * scale
        if width >= LEAST:
            y = height - MARGIN - (level + 1) * ROW
            yield box(name, callee, total, x, y, width)
            yield from boxes(callee, total, x, level + 1, height, scale)
        x += width


def legend(x, y):
    for _, label, color in OWNERS:
        yield f'<rect x="{x}" y="{y - 9}" width="10" height="10" rx="1.5" fill="{color}"/>'
        yield f'<text x="{x + 14}" y="{y}">{html.escape(label)}</text>\n'
        x += 32 + len(label) * LETTER


def draw(title, stacks):
    root = Frame()
    for names, count in stacks:
        root.add(names, count)
    scale = (WIDTH - 2 * MARGIN) / root.count
    height = HEAD + 2 * MARGIN + (root.depth(LEAST / scale) - 1) * ROW
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
           f'font-family="DejaVu Sans Mono, Menlo, monospace" font-size="10" fill="#222">\n')
    yield f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>\n'
    yield f'<text x="{MARGIN}" y="20" font-size="13">{html.escape(title)}</text>\n'
    yield from legend(MARGIN, 38)
    yield from boxes(root, root.count, MARGIN, 0, height, scale)
    yield "</svg>\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--title", default="Where the time goes")
    args = parser.parse_args()
    stacks = []
    for line in sys.stdin:
        names, count = line.rsplit(" ", 1)
        stacks.append((names.split(";"), int(count)))
    if not stacks:
        sys.exit("flame.py: no stacks on standard input")
    sys.stdout.writelines(draw(args.title, stacks))


if __name__ == "__main__":
    main()
