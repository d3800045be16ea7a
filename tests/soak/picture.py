"""The figures of a soak over time, as SVG and as a row of characters."""
from judge import FIGURES, WARM_UP
from suite import svg

HEIGHT, WIDE, BARS = 96, svg.WIDTH - svg.LEFT - svg.RIGHT, "▁▂▃▄▅▆▇█"


def means(samples, figure, count):
    """So many means, of as many samples each."""
    values = [sample[figure] for sample in samples]
    count = min(count, len(values))
    cut = [values[i * len(values) // count:(i + 1) * len(values) // count] for i in range(count)]
    return [sum(part) / len(part) for part in cut]


def row(samples, figure, count=60):
    """From zero, so that what is flat looks flat."""
    values = means(samples, figure, count)
    most = max(values) or 1
    return "".join(BARS[min(int(value / most * len(BARS)), len(BARS) - 1)] for value in values)


def panel(drawing, samples, figure, top):
    name, unit = FIGURES[figure][:2]
    values, most = [sample[figure] for sample in samples], max(sample[figure] for sample in samples) or 1
    time = samples[-1]["at"]
    points = " ".join(f"{svg.LEFT + sample['at'] / time * WIDE:.1f},{top + HEIGHT * (1 - sample[figure] / most):.1f}"
                      for sample in samples)
    drawing.text(svg.LEFT, top - 8, name, "panel")
    drawing.text(svg.LEFT + WIDE, top - 8, f"at most {max(values):,} {unit}", "end faint")
    drawing.rect("rail", svg.LEFT, top, WIDE, HEIGHT)
    drawing.parts.append(f'<polyline fill="none" stroke="#1f6feb" points="{points}"/>')
    at = svg.LEFT + WARM_UP * WIDE
    drawing.line("line", at, top, at, top + HEIGHT)


def page(samples):
    drawing = svg.Drawing()
    height = svg.TOP + len(FIGURES) * (HEIGHT + 40) + 12
    drawing.rect("ground", 0, 0, svg.WIDTH, height, 8)
    drawing.text(svg.LEFT, 26, f"A soak of {samples[-1]['at'] / 60:.0f} minutes", "heading")
    for i, figure in enumerate(FIGURES):
        panel(drawing, samples, figure, svg.TOP + 24 + i * (HEIGHT + 40))
    drawing.text(svg.LEFT, height - 10, "Scales begin at zero. What is left of the dashed line is the warm-up.", "faint")
    return drawing.page("A soak", height)
