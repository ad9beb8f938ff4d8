"""The layout of graphs: no two boxes overlap, every edge goes down, and nothing depends on the states."""

import random
import time
from itertools import combinations, pairwise

import pytest

from pgqueue.dashboard.graphs.columns import BOX
from pgqueue.dashboard.graphs.crossings import crossings, order
from pgqueue.dashboard.graphs.layout import HIGH, Layout, lay_out
from pgqueue.dashboard.graphs.rows import WIDE, Edge, rows_of

Edges = tuple[Edge, ...]


def edges(*pairs: tuple[int, int]) -> Edges:
    return tuple((parent, child, "succeeded") for parent, child in pairs)


def at_random(count: int, seed: int) -> Edges:
    """Each node waits for up to three of the 25 before it."""
    choose = random.Random(seed)
    parents = {
        node: choose.sample(range(max(0, node - 25), node), min(node, choose.choice([0, 1, 1, 2, 3]))) for node in range(count)
    }
    return tuple((parent, node, choose.choice(["succeeded", "finished"])) for node, its in parents.items() for parent in its)


FAN = edges(*((0, node) for node in range(1, 41)), *((node, 41) for node in range(1, 41)))
GRAPHS = {
    "one": (1, ()),
    "no edges": (30, ()),
    "chain": (50, edges(*pairwise(range(50)))),
    "diamond": (4, edges((0, 1), (0, 2), (1, 3), (2, 3))),
    "fan": (42, FAN),
    "far": (12, edges(*pairwise(range(12)), (0, 11), (0, 6), (3, 9))),
    "all": (40, edges(*combinations(range(40), 2))),
    **{f"random {seed}": (200, at_random(200, seed)) for seed in range(5)},
}


@pytest.mark.parametrize("name", GRAPHS)
def test_boxes_do_not_overlap_and_edges_go_down(name: str) -> None:
    count, its = GRAPHS[name]
    laid = lay_out(count, its)
    assert len(laid.places) == count
    for (x, y), (other_x, other_y) in combinations(laid.places, 2):
        assert abs(x - other_x) >= BOX or abs(y - other_y) >= HIGH
    for parent, child, _ in its:
        assert laid.places[parent][1] + HIGH < laid.places[child][1]
    assert all(0 <= x <= laid.width - BOX and 0 <= y <= laid.height - HIGH for x, y in laid.places)


@pytest.mark.parametrize("name", GRAPHS)
def test_every_edge_has_a_tip_at_its_child(name: str) -> None:
    count, its = GRAPHS[name]
    laid = lay_out(count, its)
    for line in laid.lines:
        children = {child for parent, child, kind in its if (parent, kind) == (line.parent, line.kind)}
        assert line.tips.count("M") == len(children)
        for child in children:
            x, y = laid.places[child]
            assert f"L{x + BOX / 2:g} {y:g}Z" in line.tips


def _crosses_a_box(laid: Layout, count: int) -> bool:
    """Whether a line passes a row where a box stands: lines are upright inside of rows."""
    for line in laid.lines:
        for part in line.path.split("M")[1:]:
            if "V" in part:
                x, bottom = float(part.split("C")[1].split("V")[0].split()[-2]), float(part.split("V")[1])
                if any(left < x < left + BOX and top == bottom - HIGH for left, top in laid.places[:count]):
                    return True
    return False


@pytest.mark.parametrize("name", ["far", "random 1", "random 3"])
def test_lines_pass_between_the_boxes_of_a_row(name: str) -> None:
    count, its = GRAPHS[name]
    laid = lay_out(count, its)
    assert any("V" in line.path for line in laid.lines)
    assert not _crosses_a_box(laid, count)


def test_a_wide_graph_stands_in_rows_of_a_few() -> None:
    laid = lay_out(*GRAPHS["fan"])
    rows = [y for _, y in laid.places]
    assert max(rows.count(y) for y in rows) <= WIDE


def test_lines_cross_less_once_they_are_ordered() -> None:
    count, its = GRAPHS["random 2"]
    drawn = rows_of(count, list(its))
    before = crossings(drawn)
    order(drawn)
    assert crossings(drawn) < before / 2


def test_crossed_pairs_are_uncrossed() -> None:
    drawn = rows_of(4, [(0, 3, "succeeded"), (1, 2, "succeeded")])
    drawn.rows = [[0, 1], [2, 3]]
    assert crossings(drawn) == 1
    order(drawn)
    assert crossings(drawn) == 0


def test_what_waits_for_nothing_stands_right_above_what_waits_for_it() -> None:
    laid = lay_out(5, edges((0, 1), (1, 2), (2, 3), (4, 3)))
    assert laid.places[4][1] == laid.places[2][1]


def test_a_circle_which_no_workflow_has_ends_the_layout_all_the_same() -> None:
    assert len(lay_out(3, edges((0, 1), (1, 2), (2, 1))).places) == 3


def test_the_largest_graph_is_laid_out_in_a_moment() -> None:
    began = time.process_time()
    lay_out(300, at_random(300, 77))
    assert time.process_time() - began < 0.5
