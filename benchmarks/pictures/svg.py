"""The few marks that all pictures are made of, and their colours."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

WIDTH = 760
LEFT, RIGHT, TOP, BOTTOM = 130, 70, 64, 40
"""Room for the names of the systems, for the figure after the longest bar, for title and legend, for the axis."""

STYLE = """\
text { font: 13px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #24292f; font-variant-numeric: tabular-nums }
text.title { font-size: 15px; font-weight: 600 }
text.small { font-size: 12px; fill: #57606a }
text.inside { font-size: 12px }
text.ours { font-weight: 600 }
line.grid { stroke: #8c959f; opacity: .25 }
line.range { stroke: #8c959f; stroke-width: 3; stroke-linecap: round }
line.range.ours { stroke: #0969da }
.one { fill: #8c959f } .two { fill: #c6ccd3 }
.one.ours { fill: #0969da } .two.ours { fill: #80b9f5 }
.part0 { fill: #80b9f5 } .part1 { fill: #f0b37e } .part2 { fill: #a7d3a0 }
.part3 { fill: #d8b9ef } .part4 { fill: #e9d27a } .part5 { fill: #c6ccd3 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  text.small { fill: #9198a1 }
  text.inside { fill: #0d1117 }
  .one { fill: #6e7681 } .two { fill: #3d444d }
  .one.ours { fill: #58a6ff } .two.ours { fill: #1f4f8c }
  line.range.ours { stroke: #58a6ff }
}"""


class Picture:
    """Marks on a page of a width that all pictures share."""

    def __init__(self, title: str, note: str, height: float) -> None:
        self._title, self._height = title, height
        self._marks: list[str] = []
        self.text(title, 16, 26, "title")
        self.text(note, 16, 46, "small")

    def text(self, text: str, x: float, y: float, name: str = "", anchor: str = "start") -> None:
        """Words whose base line begins, ends or has its middle at x."""
        self._marks.append(f'<text class="{name}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>')

    def box(self, x: float, y: float, width: float, height: float, name: str) -> None:
        """A bar; one that is too short to be seen is a pixel wide."""
        size = f'width="{max(1.0, width):.1f}" height="{height:.1f}"'
        self._marks.append(f'<rect class="{name}" x="{x:.1f}" y="{y:.1f}" {size} rx="1.5"/>')

    def line(self, x: float, y: float, to_x: float, to_y: float, name: str) -> None:
        """A straight line."""
        self._marks.append(f'<line class="{name}" x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}"/>')

    def dot(self, x: float, y: float, name: str) -> None:
        """A small disc."""
        self._marks.append(f'<circle class="{name}" cx="{x:.1f}" cy="{y:.1f}" r="5"/>')

    def legend(self, entries: Sequence[tuple[str, str]], y: float, x: float = LEFT) -> None:
        """Squares of the named classes, each with its words."""
        for words, name in entries:
            self.box(x, y - 10, 11, 11, name)
            self.text(words, x + 16, y, "small")
            x += 34 + 6.4 * len(words)

    def drawn(self) -> str:
        """The whole file."""
        size = f'viewBox="0 0 {WIDTH} {self._height:.0f}" width="{WIDTH}" height="{self._height:.0f}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label={quoteattr(self._title)}>'
        return "\n".join([head, f"<style>\n{STYLE}\n</style>", *self._marks, "</svg>", ""])
