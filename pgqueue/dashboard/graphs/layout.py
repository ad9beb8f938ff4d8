"""A graph with its places and lines, ready to be drawn."""

from dataclasses import dataclass
from functools import lru_cache

from .columns import BOX, columns
from .crossings import order
from .rows import Edge, Rows, rows_of

HIGH, BETWEEN, EDGE, TIP = 48, 44, 12, 6  # pixels: a box, the room between rows, the margin, the tip of a line


@dataclass(frozen=True, slots=True)
class Line:
    """The lines of one kind that come from one box.

    Attributes:
        parent, kind: from where, and what kind of line.
        path: as the attribute d of SVG.
        tips: their ends, as the attribute d.
    """

    parent: int
    kind: str
    path: str
    tips: str


@dataclass(frozen=True, slots=True)
class Layout:
    """A graph with its places.

    Attributes:
        places: the left and upper corner of each box, in pixels.
        lines: between them.
        width, height: of the whole.
    """

    places: list[tuple[float, float]]
    lines: list[Line]
    width: float
    height: float


@lru_cache(maxsize=64)
def lay_out(count: int, edges: tuple[Edge, ...]) -> Layout:
    """Boxes in rows so that each edge goes down. The same graph gets the same places: nothing moves while its states change.

    Args:
        count: how many boxes there are; they are numbered from 0.
        edges: from box to box, with the kind of line.
    """
    drawn = rows_of(count, list(edges))
    order(drawn)
    middle = columns(drawn)
    top = {one: EDGE + number * (HIGH + BETWEEN) for number, row in enumerate(drawn.rows) for one in row}
    places = [(middle[box] - BOX / 2 + EDGE, float(top[box])) for box in range(count)]
    lines = [_line(drawn, parent, kind, links, middle, top) for (parent, kind), links in drawn.lines.items()]
    width = max((middle[one] for one in middle), default=0) + BOX / 2 + 2 * EDGE
    return Layout(places, lines, round(width), 2 * EDGE + len(drawn.rows) * (HIGH + BETWEEN) - BETWEEN)


def _line(
    drawn: Rows, parent: int, kind: str, links: list[tuple[int, int]], middle: dict[int, float], top: dict[int, int]
) -> Line:
    path, tips = list[str](), list[str]()
    for upper, lower in links:
        begin, end, x, y = middle[upper] + EDGE, middle[lower] + EDGE, top[upper] + HIGH, top[lower]
        is_end = lower < drawn.boxes
        stop = y - TIP if is_end else y
        half = (x + stop) / 2
        path.append(f"M{begin:g} {x}C{begin:g} {half:g} {end:g} {half:g} {end:g} {stop}{'' if is_end else f'V{y + HIGH}'}")
        if is_end:
            tips.append(f"M{end - 4:g} {stop - 1}H{end + 4:g}L{end:g} {y}Z")
    return Line(parent, kind, "".join(path), "".join(tips))
