"""Where in its row each box stands: below what it hangs on, and not over another one."""

from .crossings import neighbours
from .rows import Rows

BOX, GAP, BEND = 184, 20, 12  # pixels: a box, the room between two, and the room that a line takes
SWEEPS = 8


def columns(drawn: Rows) -> dict[int, float]:
    """The middle of each box and bend, from 0 on. The order in the rows stays, and boxes keep their distance."""
    above, below = neighbours(drawn)
    middle = {one: at for row in drawn.rows for one, at in zip(row, _packed(drawn, row), strict=True)}
    for sweep in range(SWEEPS):
        linked, rows = (above, drawn.rows) if sweep % 2 == 0 else (below, drawn.rows[::-1])
        for row in rows:
            wished = [
                sum(middle[other] for other in linked[one]) / len(linked[one]) if linked[one] else middle[one] for one in row
            ]
            weights = [1 if linked[one] else 0.1 for one in row]
            middle |= zip(row, _apart(wished, weights, _packed(drawn, row)), strict=True)
    left = min((middle[one] - (BOX / 2 if one < drawn.boxes else 0) for one in middle), default=0)
    return {one: round(at - left, 1) for one, at in middle.items()}


def _packed(drawn: Rows, row: list[int]) -> list[float]:
    """The middles if they stand as close as they may, around 0."""
    found, at = list[float](), 0.0
    for one in row:
        room = BOX + GAP if one < drawn.boxes else BEND
        found.append(at + room / 2)
        at += room
    return [middle - at / 2 for middle in found]


def _apart(wished: list[float], weights: list[float], packed: list[float]) -> list[float]:
    """The places nearest to the wished ones at which nothing is closer than when packed: neighbours in each other's way share."""
    blocks = list[tuple[float, float, int]]()  # where it stands, its weight, how many it holds
    for wish, weight, at in zip(wished, weights, packed, strict=True):
        block = wish - at, weight, 1
        while blocks and blocks[-1][0] > block[0]:
            other = blocks.pop()
            total = other[1] + block[1]
            block = (other[0] * other[1] + block[0] * block[1]) / total, total, other[2] + block[2]
        blocks.append(block)
    shifts = [shift for shift, _, size in blocks for _ in range(size)]
    return [at + shift for at, shift in zip(packed, shifts, strict=True)]
