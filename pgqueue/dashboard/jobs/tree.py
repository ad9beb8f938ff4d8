"""A JSON value as a tree that a page can show: bounded, whatever the value is."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from ..._text import harmless
from ..render import json_text

DEEPEST = 24


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of a value is shown.

    Attributes:
        nodes: all together.
        members: of one object or list.
        text: characters of one text.
    """

    nodes: int = 1000
    members: int = 200
    text: int = 1000


@dataclass(slots=True)
class Branch:
    """A value, or a member of one.

    Attributes:
        id: the same as long as it stands in the same place.
        key: its name, or its place in a list; None at the top.
        kind: object, list, text, number, word, or more: members that are left out.
        text: what is shown of a value without members.
        size: members of an object or list, characters of a text that is cut; else 0.
        is_open: whether its members are shown at first.
    """

    id: str
    key: str | None
    kind: str
    text: str = ""
    size: int = 0
    is_open: bool = False
    members: list["Branch"] = field(default_factory=list)


class _Left:
    """How many nodes may still be shown."""

    def __init__(self, nodes: int) -> None:
        self.nodes = nodes


def tree(value: Any, id: str, bounds: Bounds | None = None, is_open: bool = True) -> Branch:
    """The tree of a value.

    Args:
        value: as `exact.read` reads JSON.
        id: of the top, a part of the ids of all.
        bounds: how much is shown; None = what a page has room for beside other things.
        is_open: whether the first levels are open at first.
    """
    bounds = bounds or Bounds()
    return _branch(value, id, None, bounds, _Left(bounds.nodes), 0, is_open)


def _branch(value: Any, id: str, key: str | None, bounds: Bounds, left: _Left, depth: int, is_open: bool) -> Branch:
    left.nodes -= 1
    if isinstance(value, dict | list):
        kind = "object" if isinstance(value, dict) else "list"
        made = Branch(id, key, kind, size=len(value), is_open=is_open and depth < 2)
        if depth >= DEEPEST:
            made.members = [Branch(f"{id}-x", None, "more", "nested deeper: download it to see all")] if value else []
        else:
            made.members = list(_members(value, id, bounds, left, depth, is_open))
        return made
    return _leaf(value, id, key, bounds)


def _members(value: Any, id: str, bounds: Bounds, left: _Left, depth: int, is_open: bool) -> Iterator[Branch]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    shown = 0
    for place, (name, one) in enumerate(islice(pairs, bounds.members)):
        if left.nodes <= 0:
            break
        key = _cut(name, 200) if isinstance(value, dict) else str(place)
        yield _branch(one, f"{id}-{place}", key, bounds, left, depth + 1, is_open)
        shown += 1
    if shown < len(value):
        yield Branch(f"{id}-x", None, "more", f"{len(value) - shown:,} more")


def _leaf(value: Any, id: str, key: str | None, bounds: Bounds) -> Branch:
    if isinstance(value, str):
        is_cut = len(value) > bounds.text
        return Branch(id, key, "text", harmless(value[: bounds.text]), len(value) if is_cut else 0)
    if value is None or isinstance(value, bool):
        return Branch(id, key, "word", json_text(value, indented=False))
    text = json_text(value, indented=False)
    return Branch(id, key, "number", text[: bounds.text], len(text) if len(text) > bounds.text else 0)


def _cut(name: str, most: int) -> str:
    return harmless(name if len(name) <= most else f"{name[:most]}…")
