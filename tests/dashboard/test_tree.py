"""A JSON value as a tree: bounded, whatever it is, and the same ids each time."""

from typing import Any

from pgqueue.api import exact
from pgqueue.dashboard.jobs.tree import Bounds, Branch, tree


def all_of(branch: Branch) -> list[Branch]:
    return [branch, *(each for one in branch.members for each in all_of(one))]


def test_a_tree_is_bounded_in_all_directions() -> None:
    deep: Any = "end"
    for _ in range(900):
        deep = {"in": [deep]}
    wide = {
        "many": list(range(100_000)),
        "long": "x" * 100_000,
        "deep": deep,
        "k" * 5000: {f"n{n}": dict.fromkeys("abcdefghijklmnop", 1) for n in range(900)},
    }
    nodes = all_of(tree(wide, "args", Bounds(nodes=500, members=100, text=1000)))
    assert len(nodes) < 800
    assert all(len(one.text) <= 1000 and len(one.key or "") <= 201 for one in nodes)
    assert next(one.text for one in nodes if one.kind == "more") == "99,900 more"
    assert any("deeper" in one.text for one in nodes)
    assert next(one.size for one in nodes if one.key == "long") == 100_000


def test_ids_name_places_so_that_what_is_open_stays_open() -> None:
    first, second = (all_of(tree({"a": {"b": n}, "c": [n, n]}, "args")) for n in (1, 2))
    assert [one.id for one in first] == [one.id for one in second]
    assert len({one.id for one in first}) == len(first)


def test_numbers_are_shown_as_they_were_sent_and_texts_without_what_browsers_obey() -> None:
    value = exact.read(b'{"n": 0.50, "big": 123456789012345678901234567890, "t": "a\\u202eb", "no": null, "yes": true}')
    shown = {one.key: (one.kind, one.text) for one in tree(value, "args").members}
    assert shown["n"] == ("number", "0.50")
    assert shown["big"] == ("number", "123456789012345678901234567890")
    assert shown["t"] == ("text", "a\\u202eb")
    assert (shown["no"], shown["yes"]) == (("word", "null"), ("word", "true"))
