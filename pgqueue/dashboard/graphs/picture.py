"""A workflow as it is drawn: the boxes of the API at their places, with what stands in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..._text import harmless
from ...insight import short
from .layout import Line, lay_out

# What a box is coloured by: the first of these that one of its nodes is in. Then also the order of what is worth a word.
LOUD = ("failed", "running", "ready", "scheduled", "blocked", "cancelled", "skipped", "succeeded")
STACKED = ("succeeded", "skipped", "cancelled", "failed", "running", "ready", "scheduled", "blocked")
OVER = ("succeeded", "failed", "cancelled", "skipped")
LONGEST = 20, 25  # characters of the first and the second line of a box


@dataclass(frozen=True, slots=True)
class Box:
    """A box of the picture.

    Attributes:
        id: of the first job in it.
        x, y: its left and upper corner, in pixels.
        state: that it is coloured by.
        first, second: the lines in it.
        about: all of it, for who points at it or does not see it.
        counts: how many nodes are in which state, those that are over first.
        nodes: how many there are.
        task: of all of its nodes; None if they are of several.
    """

    id: str
    x: float
    y: float
    state: str
    first: str
    second: str
    about: str
    counts: list[tuple[str, int]]
    nodes: int
    task: str | None


@dataclass(frozen=True, slots=True)
class Picture:
    """A workflow to draw; `kinds` are the kinds of its lines."""

    boxes: list[Box]
    lines: list[Line]
    kinds: list[str]
    width: float
    height: float


def picture(shape: Mapping[str, Any]) -> Picture:
    """The picture of a shape, as `GET /workflows/{id}/shape` answers it."""
    number = {box["id"]: place for place, box in enumerate(shape["boxes"])}
    edges = tuple((number[edge["parent_id"]], number[edge["child_id"]], edge["when"]) for edge in shape["edges"])
    laid = lay_out(len(number), edges)
    boxes = [_box(box, *place) for box, place in zip(shape["boxes"], laid.places, strict=True)]
    return Picture(boxes, laid.lines, sorted({kind for _, _, kind in edges}), laid.width, laid.height)


def counts_of(of: Mapping[str, Any]) -> list[tuple[str, int]]:
    """How many nodes are in which state, where there are any; empty if they were not counted."""
    return [(state, of[state]) for state in STACKED if of[state]]


def _box(box: Mapping[str, Any], x: float, y: float) -> Box:
    counts = counts_of(box)
    state = next((one for one in LOUD if box[one]), "blocked")
    name = harmless(box["name"] or box["task"])
    words = ", ".join(f"{many:,} {one}" for one, many in counts)
    if box["kind"] == "node":
        second = state if name == box["task"] else f"{state} · {harmless(box['task'])}"
        about = f"{name}: {state}, task {harmless(box['task'])}"
    else:
        more = f" and {box['tasks'] - 1:,} more tasks" if box["tasks"] > 1 else ""
        about = f"{box['nodes']:,} nodes of {name}{more}: {words}"
        name, second = f"{short.count(box['nodes'])} \N{MULTIPLICATION SIGN} {name}{more}", _told(box)
    task = box["task"] if box["tasks"] == 1 else None
    return Box(box["id"], x, y, state, cut(name, LONGEST[0]), cut(second, LONGEST[1]), about, counts, box["nodes"], task)


def _told(box: Mapping[str, Any]) -> str:
    loud = [f"{short.count(box[state])} {state}" for state in ("failed", "running") if box[state]]
    over = f"{short.count(sum(box[state] for state in OVER))} ended"
    return " · ".join([*loud, over][:2])  # there is room for two


def cut(text: str, most: int) -> str:
    """The text, or as much of it as there is room for."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
