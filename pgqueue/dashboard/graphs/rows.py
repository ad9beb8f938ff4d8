"""In which row each box of a graph stands: below all that it waits for."""

from collections import defaultdict
from dataclasses import dataclass, field

Edge = tuple[int, int, str]  # from a box, to a box below it, and what kind of line it is
WIDE = 8  # boxes in a row; more of one depth stand in several rows
MOST_BENDS = 4000  # with more of them lines go straight


@dataclass(slots=True)
class Rows:
    """Boxes in rows, with bends where a line passes a row.

    Attributes:
        boxes: how many boxes there are: they are numbers below this, bends are those from here on.
        rows: the boxes and bends of each row, in their order.
        links: pairs of boxes or bends in neighbouring rows with a line between them.
        lines: of each box and kind of line the links that belong to it.
    """

    boxes: int
    rows: list[list[int]]
    links: list[tuple[int, int]] = field(default_factory=list)
    lines: dict[tuple[int, str], list[tuple[int, int]]] = field(default_factory=dict)


def depths(count: int, edges: list[Edge]) -> list[int]:
    """How deep each box is on the longest way to it; what waits for nothing stands right above what waits for it."""
    below: dict[int, list[int]] = defaultdict(list)
    waits = [0] * count
    for parent, child, _ in edges:
        below[parent].append(child)
        waits[child] += 1
    first = [box for box in range(count) if not waits[box]]
    found, todo = [0] * count, list(first)
    while todo:
        box = todo.pop()
        for child in below[box]:
            found[child] = max(found[child], found[box] + 1)
            waits[child] -= 1
            if not waits[child]:
                todo.append(child)
    for box in first:
        found[box] = min((found[child] for child in below[box]), default=1) - 1
    return found


def rows_of(count: int, edges: list[Edge]) -> Rows:
    """The boxes in rows. An edge that does not go down, which no workflow has, is left out."""
    depth = depths(count, edges)
    edges = [edge for edge in edges if depth[edge[0]] < depth[edge[1]]]
    made = Rows(count, _in_rows(depth, edges))
    row_of = {box: number for number, row in enumerate(made.rows) for box in row}
    is_short = sum(row_of[child] - row_of[parent] - 1 for parent, child, _ in edges) > MOST_BENDS
    trunks: dict[tuple[int, str, int], int] = {}
    for parent, child, kind in edges:
        at = parent
        for row in [] if is_short else range(row_of[parent] + 1, row_of[child]):
            bend = trunks.get((parent, kind, row))
            if bend is None:  # lines of one kind from one box run together as far as they can
                bend = trunks[parent, kind, row] = count + len(trunks)
                made.rows[row].append(bend)
                made.lines.setdefault((parent, kind), []).append((at, bend))
            at = bend
        made.lines.setdefault((parent, kind), []).append((at, child))
    made.links = list(dict.fromkeys(link for links in made.lines.values() for link in links))
    return made


def _in_rows(depth: list[int], edges: list[Edge]) -> list[list[int]]:
    above: dict[int, list[int]] = defaultdict(list)
    for parent, child, _ in edges:
        above[child].append(parent)
    rows: list[list[int]] = []
    place: dict[int, float] = {}
    for level in range(max(depth, default=-1) + 1):
        of_level = [box for box, its in enumerate(depth) if its == level]
        # Those that hang on the same box stay together.
        of_level.sort(key=lambda box: sum(place[one] for one in above[box]) / len(above[box]) if above[box] else 0)
        many = -(-len(of_level) // WIDE)
        size = -(-len(of_level) // max(many, 1))  # rows of about the same length
        for begin in range(0, len(of_level), max(size, 1)):
            rows.append(of_level[begin : begin + size])
        place |= {box: number / len(of_level) for number, box in enumerate(of_level)}
    return rows
