"""Chains, groups and chords: what they are made of, and what becomes of results in them."""

from collections.abc import Iterator
from typing import Any

import pytest

from pgqueue import Chain, Group, PgQueue, Signature, Task, chain, chord, group
from pgqueue.errors import InvalidArgument
from pgqueue.testing import inline
from tests.client.planning import NOWHERE, edges, planned

local = PgQueue(NOWHERE)


@local.task
def fetch(url: str) -> bytes:
    return url.encode()


@local.task
def parse(document: bytes, pages: int = 3, *, strict: bool = False) -> list[str]:
    return []


@local.task
def store(parts: list[str], bucket: str) -> str:
    return bucket


@local.task
def tick() -> int:
    return 1


def by_name(*parts: Any) -> dict[str, dict[str, Any]]:
    return {node["name"]: node for node in planned(local, *parts)}


def test_each_call_of_a_chain_waits_for_the_one_before_and_takes_its_result() -> None:
    nodes = planned(local, chain(fetch.s("u"), parse.s(), store.s("b")))
    assert edges(nodes) == {"parse": ["fetch"], "store": ["parse"]}
    assert [(node.get("takes"), node["args"]) for node in nodes] == [
        (None, {"url": "u"}),
        ("document", {}),
        ("parts", {"bucket": "b"}),
    ]
    assert not any("takes_all" in node for node in nodes)


def test_a_bar_is_a_chain() -> None:
    piped = fetch.s("u") | parse.s() | store.s("b")
    assert isinstance(piped, Chain)
    assert piped == chain(fetch.s("u"), parse.s(), store.s("b"))
    assert fetch.s("u") | (parse.s() | store.s("b")) == piped
    assert chain(chain(fetch.s("u"), parse.s()), store.s("b")) == piped


def test_only_parts_stand_beside_a_bar() -> None:
    with pytest.raises(TypeError):
        fetch.s("u") | parse  # type: ignore[operator]


def test_what_follows_a_group_takes_the_list() -> None:
    nodes = by_name(chain(group(fetch.s("a"), fetch.s("b")), store.s("x")))
    assert edges(list(nodes.values())) == {"store": ["fetch", "fetch-2"]}
    assert (nodes["store"]["takes"], nodes["store"]["takes_all"]) == ("parts", True)


def test_a_chord_is_a_chain_of_a_group_and_its_callback() -> None:
    header = [fetch.s("a"), fetch.s("b")]
    assert chord(header, store.s("x")) == chain(group(header), store.s("x"))
    assert chord(group(header), store.s("x")) == chain(group(header), store.s("x"))
    assert chord((one for one in header), store.s("x")) == chain(group(header), store.s("x"))


def test_the_callback_of_a_chord_of_one_takes_a_list() -> None:
    assert by_name(chord([fetch.s("a")], store.s("x")))["store"]["takes_all"]


def test_each_call_of_a_group_takes_what_the_one_call_before_it_returned() -> None:
    nodes = by_name(chain(fetch.s("u"), group(parse.s(), parse.s(5)), store.s("b")))
    assert edges(list(nodes.values())) == {"parse": ["fetch"], "parse-2": ["fetch"], "store": ["parse", "parse-2"]}
    assert nodes["parse-2"]["args"] == {"pages": 5}
    assert "takes_all" not in nodes["parse"]


def test_a_group_behind_a_group_waits_for_all_of_it() -> None:
    nodes = by_name(chain(group(tick.s(), tick.s()), group(store.s("a"), store.s("b"))))
    assert edges(list(nodes.values())) == {"store": ["tick", "tick-2"], "store-2": ["tick", "tick-2"]}
    assert nodes["store"]["takes_all"]
    assert nodes["store-2"]["takes_all"]


def test_groups_and_chains_nest() -> None:
    nested = chain(fetch.s("u"), group(chain(parse.s(), store.s("a")), group(parse.s(), parse.s())), store.s("b"))
    assert edges(planned(local, nested)) == {
        "parse": ["fetch"],
        "store": ["parse"],
        "parse-2": ["fetch"],
        "parse-3": ["fetch"],
        "store-2": ["store", "parse-2", "parse-3"],
    }


def test_a_chain_that_ends_in_a_group_ends_in_a_list() -> None:
    inner = chain(fetch.s("u"), group(parse.s()))
    assert by_name(chain(inner, store.s("b")))["store"]["takes_all"]


def test_an_immutable_call_takes_nothing() -> None:
    node = by_name(chain(fetch.s("u"), tick.si(), parse.si(b"")))["parse"]
    assert "takes" not in node
    assert node["after"] == [2]


def test_a_call_that_stands_first_takes_nothing_and_needs_all_of_its_arguments() -> None:
    assert "takes" not in by_name(parse.s(b""))["parse"]
    with pytest.raises(InvalidArgument, match="task 'parse' misses 'document'"):
        planned(local, chain(parse.s(), store.s("b")))


@pytest.mark.parametrize(
    ("given", "args", "takes"),
    [
        (parse.s(), {}, "document"),
        (parse.s(5), {"pages": 5}, "document"),
        (parse.s(5, strict=True), {"pages": 5, "strict": True}, "document"),
        (parse.s(pages=5), {"pages": 5}, "document"),
        (parse.s(document=b""), {"document": ""}, "pages"),
    ],
    ids=["nothing", "by place", "by place and name", "by name", "the first by name"],
)
def test_arguments_stand_behind_the_result(given: Signature[Any], args: dict[str, Any], takes: str) -> None:
    node = by_name(chain(fetch.s("u"), given))["parse"]
    assert (node["args"], node["takes"]) == (args, takes)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (tick.s(), r"task 'tick' has no argument left for the result of its parent; use si\(…\)"),
        (fetch.s("u"), r"task 'fetch' has no argument left"),
        (store.s([], "b"), r"task 'store' has no argument left"),
        (parse.s(b"", 5), r"takes 1 positional arguments behind 'document', 2 were given"),
        (store.s(bucket="b", parts=[]), r"no argument left"),
        (parse.s(5, pages=6), r"got 'pages' twice: its first argument is the result of its parent"),  # type: ignore[call-overload]
        (parse.s("five"), r"task 'parse' cannot take pages = 'five'"),  # type: ignore[call-overload]
        (parse.s(b""), r"cannot take pages = b''"),
    ],
    ids=["takes none", "one", "all", "too many", "all by name", "twice", "wrong", "wrong type behind"],
)
def test_a_call_whose_arguments_do_not_fit_behind_a_result_is_refused(given: Signature[Any], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        planned(local, chain(fetch.s("u"), given))


def test_what_cannot_be_right_anywhere_is_refused_at_once() -> None:
    with pytest.raises(InvalidArgument, match="has no argument 'colour'"):
        parse.s(colour="red")  # type: ignore[call-overload]
    with pytest.raises(InvalidArgument, match="misses 'bucket'"):
        store.s()  # type: ignore[call-overload]
    with pytest.raises(InvalidArgument, match="takes 2 positional arguments, 3 were given"):
        store.s([], "b", 1)  # type: ignore[call-overload]
    with pytest.raises(InvalidArgument, match="misses 'document'"):
        parse.si()  # type: ignore[call-arg]


def test_a_call_that_misses_what_a_parent_would_give_is_not_enqueued_alone() -> None:
    with pytest.raises(InvalidArgument, match="misses 'document'"), local._adding([parse.s()], None):
        pass


def test_map_makes_a_call_for_each_item() -> None:
    assert [node["args"] for node in planned(local, fetch.map(["a", "b"]))] == [{"url": "a"}, {"url": "b"}]
    assert fetch.map(iter(["a", "b"])) == group(fetch.s("a"), fetch.s("b"))


def test_the_items_of_map_stand_behind_the_result_of_a_parent() -> None:
    nodes = by_name(chain(fetch.s("u"), parse.map([1, 2])))
    assert [nodes[name]["args"] for name in ("parse", "parse-2")] == [{"pages": 1}, {"pages": 2}]


def test_starmap_makes_a_call_for_each_tuple_or_mapping() -> None:
    mapped = parse.starmap([(b"a", 1), {"document": b"b", "strict": True}])
    assert [node["args"] for node in planned(local, mapped)] == [
        {"document": "YQ==", "pages": 1},
        {"document": "Yg==", "strict": True},
    ]
    with pytest.raises(InvalidArgument, match="5 at place 1 is not valid; give a tuple or a mapping"):
        parse.starmap([(b"a",), 5])  # type: ignore[list-item]


@pytest.mark.parametrize(
    "empty",
    [group, chain, lambda: group([]), lambda: chord([], store.s("b")), lambda: fetch.map([])],
    ids=["group", "chain", "list", "chord", "map"],
)
def test_nothing_is_no_part(empty: Any) -> None:
    with pytest.raises(InvalidArgument, match="there is no call in it; give at least one call"):
        empty()


@pytest.mark.parametrize("wrong", [fetch, 5, None, "fetch", [fetch.s("u")]], ids=["task", "number", "none", "text", "list"])
def test_what_is_no_part_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"chain: .* is not valid; use task\.s"):
        chain(fetch.s("u"), wrong)
    with pytest.raises(InvalidArgument, match=r"group: .* is not valid; use task\.s"):
        group(fetch.s("u"), wrong)


def test_parts_of_two_apps_are_refused() -> None:
    other: Task[[], None] = PgQueue(NOWHERE).task(name="other")(lambda: None)
    with pytest.raises(InvalidArgument, match="task 'other' belongs to another app"):
        chain(fetch.s("u"), other.si()).enqueue()


def test_options_of_a_call_are_those_of_its_node() -> None:
    node = by_name(chain(fetch.s("u"), parse.using(queue="mail", priority="high", retry=1, unique="until_done").s()))["parse"]
    assert (node["queue"], node["priority"], node["retries"], node["unique_mode"]) == ("mail", 50, 1, "until_done")


def test_what_a_node_waits_for_is_not_said_twice() -> None:
    with pytest.raises(InvalidArgument, match="depends_on: 'parse' is a node of a workflow"):
        planned(local, chain(fetch.s("u"), parse.using(depends_on=7).s()))


def test_canvases_do_not_run_inline() -> None:
    with inline(local), pytest.raises(Exception, match="a workflow needs the database"):
        chain(fetch.s("u"), parse.s()).enqueue()


def test_middleware_sees_each_call_without_what_it_takes() -> None:
    app, seen = PgQueue(NOWHERE), []

    @app.around_enqueue
    def note(call: Any) -> Iterator[None]:
        seen.append((call.task, dict(call.args)))
        call.change(meta={"trace": 1})
        if call.task == "parse":
            call.args["pages"] = 8
        yield

    get: Task[[str], bytes] = app.task(name="fetch")(fetch.function)
    cut: Task[[bytes], list[str]] = app.task(name="parse")(parse.function)
    nodes = planned(app, chain(get.s("u"), cut.s()))
    assert seen == [("fetch", {"url": "u"}), ("parse", {})]
    assert [node["meta"] for node in nodes] == [{"trace": 1}] * 2
    assert nodes[1]["args"] == {"pages": 8}


def test_a_group_is_what_it_is_called() -> None:
    assert isinstance(fetch.map(["a"]), Group)
    assert [type(part) for part in chain(fetch.s("u"), fetch.map(["a"])).parts] == [Signature, Group]
