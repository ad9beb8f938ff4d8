"""Groups in chunks: fewer jobs that run several calls each."""

import json
from typing import Any

import pytest

from pgqueue import PgQueue, chain, group
from pgqueue.errors import InvalidArgument
from tests.client.planning import NOWHERE, planned

local = PgQueue(NOWHERE)


@local.task
def resize(n: int, size: str = "small") -> str:
    return f"{n} {size}"


@local.task
def other(n: int) -> None: ...


@local.task
def zip_up(parts: list[list[str]]) -> None: ...


def calls(nodes: list[dict[str, Any]]) -> list[int]:
    """How many calls there are in each chunk."""
    return [len(node["args"]["calls"]) for node in nodes]


@pytest.mark.parametrize(
    ("many", "size", "chunks"), [(7, 3, [3, 3, 1]), (6, 3, [3, 3]), (2, 5, [2]), (3, 1, [1, 1, 1])], ids=repr
)
def test_a_group_becomes_as_many_jobs_as_there_are_chunks(many: int, size: int, chunks: list[int]) -> None:
    nodes = planned(local, resize.map(range(many)).chunks(size))
    assert calls(nodes) == chunks
    assert {node["task"] for node in nodes} == {"pgqueue.chunk"}


def test_nodes_of_chunks_are_named_after_their_calls() -> None:
    nodes = planned(local, group(resize.map(range(7)).chunks(3), resize.map(range(2)).chunks(3)))
    assert [node["name"] for node in nodes] == ["resize[0:3]", "resize[3:6]", "resize[6:7]", "resize[0:2]"]
    nodes = planned(local, group(resize.map(range(2)).chunks(2), resize.map(range(2)).chunks(2)))
    assert [node["name"] for node in nodes] == ["resize[0:2]", "resize[0:2]-2"]


def test_the_name_of_a_chunk_is_not_too_long() -> None:
    long = local.task(name="x" * 200)(lambda n: None)
    (node,) = planned(local, long.map([1]).chunks(5))
    assert node["name"] == "x" * 195 + "[0:1]"


def test_the_calls_keep_their_arguments_and_their_order() -> None:
    nodes = planned(local, resize.starmap([(1, "big"), {"n": 2}, (3,)]).chunks(2))
    said = [json.dumps(node["args"]["calls"]) for node in nodes]
    assert said == ['[{"n": 1, "size": "big"}, {"n": 2}]', '[{"n": 3}]']


def test_chunks_have_the_options_of_their_calls() -> None:
    (node,) = planned(local, resize.using(queue="images", priority="low", retry=1).map([1, 2]).chunks(2))
    assert (node["queue"], node["priority"], node["retries"]) == ("images", -50, 1)


def test_what_follows_chunks_takes_the_list_of_their_lists() -> None:
    nodes = planned(local, chain(resize.map(range(4)).chunks(2), zip_up.s()))
    assert (nodes[-1]["after"], nodes[-1]["takes_all"]) == ([1, 2], True)


def test_chunks_behind_a_parent_are_of_calls_that_take_nothing() -> None:
    nodes = planned(local, chain(resize.s(0), group(resize.si(n) for n in range(4)).chunks(2)))
    assert [node.get("takes") for node in nodes] == [None] * 3
    assert [node.get("after") for node in nodes] == [None, [1], [1]]
    with pytest.raises(InvalidArgument, match="no argument left for the result of its parent"):
        planned(local, chain(resize.s(0), resize.map(range(4)).chunks(2)))


@pytest.mark.parametrize("size", [0, -1, 2.5, True, "2", None], ids=repr)
def test_a_size_that_is_none_is_refused(size: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"chunks: .* is not valid; use a number of calls"):
        resize.map([1]).chunks(size)


def test_calls_that_cannot_share_a_chunk_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="chunks: 'resize' and 'other' cannot share a chunk"):
        group(resize.s(1), other.s(1)).chunks(2)
    with pytest.raises(InvalidArgument, match="cannot share a chunk"):
        group(resize.s(1), resize.using(queue="mail").s(1)).chunks(2)
    with pytest.raises(InvalidArgument, match="chunks: chains and groups cannot be run in chunks"):
        group(resize.s(1) | other.s()).chunks(2)
    with pytest.raises(InvalidArgument, match="misses 'n'"):
        group(resize.s()).chunks(2)
