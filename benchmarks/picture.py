"""A picture of starts over time against their limit: a plain SVG, readable on light and dark pages."""

from __future__ import annotations

from benchmarks.starts import Starts

SECONDS = 1.0
"""So short that the burst and the single claims are to be seen."""

WIDTH, HEIGHT = 720, 400
LEFT, TOP, RIGHT, BOTTOM = 64, 28, 24, 56
STYLE = """\
text { font: 13px system-ui, sans-serif; fill: #24292f }
polyline { fill: none; stroke: #8c959f }
polyline.grid { opacity: .25 }
polyline.allowed { stroke: #cf222e; stroke-dasharray: 6 4 }
polyline.started { stroke: #0969da; stroke-width: 2 }
text.allowed { fill: #cf222e }
text.started { fill: #0969da }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  polyline.allowed { stroke: #ff7b72 }
  polyline.started { stroke: #58a6ff }
  text.allowed { fill: #ff7b72 }
  text.started { fill: #58a6ff }
}"""


def drawn(starts: Starts, seconds: float = SECONDS) -> str:
    """The first seconds: how many have started by then, and how many the limit allows."""
    most = starts.burst + starts.rate * seconds

    def x(at: float) -> float:
        return round(LEFT + at / seconds * (WIDTH - LEFT - RIGHT), 1)

    def y(count: float) -> float:
        return round(HEIGHT - BOTTOM - count / most * (HEIGHT - TOP - BOTTOM), 1)

    def line(name: str, *points: tuple[float, float]) -> str:
        return f'<polyline class="{name}" points="{" ".join(f"{x(at)},{y(count)}" for at, count in points)}"/>'

    def label(text: str, right: float, down: float, anchor: str = "middle", name: str = "label") -> str:
        return f'<text class="{name}" x="{right}" y="{down}" text-anchor="{anchor}">{text}</text>'

    steps = [(at, count) for place, at in enumerate(starts.times) if at <= seconds for count in (place, place + 1)]
    parts = [line("axis", (0, most), (0, 0), (seconds, 0))]
    for at in (seconds * part / 4 for part in range(5)):
        parts.append(label(f"{at:g}", x(at), HEIGHT - BOTTOM + 20))
    for count in range(0, int(most) + 1, _step(most)):
        parts.append(label(str(count), LEFT - 8, y(count) + 4, "end"))
        parts.append(line("grid", (0, count), (seconds, count)))
    parts.append(line("allowed", (0, starts.burst), (seconds, most)))
    parts.append(line("started", *steps, (seconds, starts.within(seconds))))
    parts.append(label("seconds since the first start", (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14))
    parts.append(label("starts", LEFT, TOP - 12, "middle"))
    formula = f"allowed: {starts.burst:g} + {starts.rate:g} · seconds"
    parts.append(label(formula, x(seconds * 0.5), y(starts.burst + starts.rate * seconds * 0.56), "end", "allowed"))
    parts.append(label("started, all workers together", x(seconds * 0.55), y(starts.rate * seconds * 0.48), "start", "started"))
    title = f"Starts under a limit of {starts.rate:g} a second with a burst of {starts.burst:g}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">'
    return "\n".join([head, f"<style>\n{STYLE}\n</style>", *parts, "</svg>", ""])


def _step(most: float) -> int:
    """Between two lines of the grid: a round number, so that there are about five."""
    steps = [int(f"{digit}{'0' * power}") for power in range(12) for digit in (1, 2, 5)]
    return next(step for step in steps if most / step <= 6)
