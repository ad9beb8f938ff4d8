"""The order of what stands in a row: lines that cross each other are hard to follow."""

from bisect import bisect_right, insort
from collections import defaultdict

from .rows import Rows

SWEEPS = 12


def order(drawn: Rows) -> None:
    """Put the boxes and bends of each row into an order with few crossings: each near what it is linked with."""
    above, below = neighbours(drawn)
    best, least = [list(row) for row in drawn.rows], crossings(drawn)
    for sweep in range(SWEEPS):
        if not least:
            break
        is_down = sweep % 2 == 0
        _sweep(drawn.rows, above if is_down else below, is_down)
        found = crossings(drawn)
        if found < least:
            best, least = [list(row) for row in drawn.rows], found
    drawn.rows = best


def neighbours(drawn: Rows) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    """What each box or bend is linked with above it, and below it."""
    above: dict[int, list[int]] = defaultdict(list)
    below: dict[int, list[int]] = defaultdict(list)
    for upper, lower in drawn.links:
        above[lower].append(upper)
        below[upper].append(lower)
    return above, below


def crossings(drawn: Rows) -> int:
    """How often lines cross each other between two rows."""
    place = {one: number for row in drawn.rows for number, one in enumerate(row)}
    row_of = {one: number for number, row in enumerate(drawn.rows) for one in row}
    links: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for upper, lower in drawn.links:
        links[row_of[upper]].append((place[upper], place[lower]))
    return sum(_inversions([lower for _, lower in sorted(one)]) for one in links.values())


def _inversions(numbers: list[int]) -> int:
    found, before = 0, list[int]()
    for number in numbers:
        found += len(before) - bisect_right(before, number)
        insort(before, number)
    return found


def _sweep(rows: list[list[int]], linked: dict[int, list[int]], is_down: bool) -> None:
    place: dict[int, float] = {one: number / len(row) for row in rows for number, one in enumerate(row)}
    for row in rows if is_down else reversed(rows):
        middle = {
            one: sum(place[other] for other in linked[one]) / len(linked[one]) if linked[one] else place[one] for one in row
        }
        row.sort(key=middle.__getitem__)
        place |= {one: number / len(row) for number, one in enumerate(row)}
