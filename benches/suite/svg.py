"""Bars as SVG: panels side by side, a bar for each side, readable on light and on dark ground."""
import html
import math

WIDTH, LEFT, RIGHT, ROW, BAR, TOP, FOOT, GAP = 860, 12, 12, 20, 12, 54, 30, 28
NAME, FIGURE = 164, 122

STYLE = """
  .ground { fill: #ffffff; } text { fill: #1f2328; font: 12px system-ui, sans-serif; }
  .heading { font-size: 16px; font-weight: 600; } .panel { font-weight: 600; } .faint { fill: #59636e; }
  .end { text-anchor: end; } .strong { font-weight: 600; }
  .rail { fill: #eef1f4; } .other { fill: #a3acb6; } .limit { fill: #d0d7de; } .ours { fill: #1f6feb; }
  .spread { stroke: #1f2328; stroke-width: 1.2; opacity: .75; } .line { stroke: #59636e; stroke-dasharray: 3 3; }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117; } text { fill: #e6edf3; } .faint { fill: #9198a1; } .rail { fill: #1b2129; }
    .other { fill: #656c76; } .limit { fill: #3d444d; } .ours { fill: #4493f8; }
    .spread { stroke: #e6edf3; } .line { stroke: #9198a1; }
  }
"""


class Drawing:
    def __init__(self):
        self.parts = []

    def rect(self, kind, x, y, width, height, radius=2):
        self.parts.append(f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" '
                          f'height="{height:.1f}" rx="{radius}"/>')

    def line(self, kind, x1, y1, x2, y2):
        self.parts.append(f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>')

    def text(self, x, y, text, kind=""):
        self.parts.append(f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{html.escape(text)}</text>')

    def page(self, heading, height):
        title = html.escape(heading)
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" '
                f'height="{height:.0f}" role="img" aria-label="{title}">\n<title>{title}</title>\n'
                f'<style>{STYLE}</style>\n' + "\n".join(self.parts) + "\n</svg>\n")


def short(text, room=27):
    return text if len(text) <= room else text[:room - 1] + "\u2026"


def panel(drawing, x, y, width, title, bars, scale, mark):
    """Bars are (name, kind, value, low, high, text); `scale` makes 0 to 1 of a value, `mark` is one to show a line at."""
    left, room = x + NAME, width - NAME - FIGURE
    drawing.text(x, y, title, "panel")
    for i, (name, kind, value, low, high, text) in enumerate(bars):
        top = y + 10 + i * ROW
        strong = " strong" if kind == "ours" else ""
        drawing.text(x, top + BAR - 2, short(name), strong.strip())
        drawing.rect("rail", left, top, room, BAR)
        drawing.rect(kind, left, top, scale(value) * room, BAR)
        if high > low:
            drawing.line("spread", left + scale(low) * room, top + BAR / 2, left + scale(high) * room, top + BAR / 2)
            for end in (low, high):
                drawing.line("spread", left + scale(end) * room, top + 3, left + scale(end) * room, top + BAR - 3)
        drawing.text(x + width, top + BAR - 2, text, "end faint" + strong)
    if mark is not None:
        at = left + scale(mark) * room
        drawing.line("line", at, y + 6, at, y + 10 + len(bars) * ROW - (ROW - BAR) + 4)


def figure(heading, panels, note, scale, mark=None):
    """A page of panels, two in a row; `panels` are (title, bars)."""
    drawing = Drawing()
    wide = (WIDTH - LEFT - RIGHT - GAP) / 2
    y, rows = TOP, [panels[i:i + 2] for i in range(0, len(panels), 2)]
    height = TOP + sum(max(len(bars) for _, bars in row) * ROW + 34 for row in rows) + FOOT - 18
    drawing.rect("ground", 0, 0, WIDTH, height, 8)
    drawing.text(LEFT, 26, heading, "heading")
    for row in rows:
        for column, (title, bars) in enumerate(row):
            panel(drawing, LEFT + column * (wide + GAP), y, wide, title, bars, scale, mark)
        y += max(len(bars) for _, bars in row) * ROW + 34
    drawing.text(LEFT, height - 14, note, "faint")
    return drawing.page(heading, height)


def linear(most):
    return lambda value: min(value / most, 1.0)


def logarithmic(least, most):
    span = math.log(most / least)
    return lambda value: min(max(math.log(max(value, least) / least) / span, 0.01), 1.0)
