"""Plans: the order of nodes, their names and edges, and what is refused before anything is sent."""

from typing import Any

import pytest

from pgqueue import PgQueue, chain, group
from pgqueue.errors import InvalidArgument
from pgqueue.workflow.plan import Plan
from tests.client.planning import NOWHERE, edges, planned, written

local = PgQueue(NOWHERE)


@local.task
def work(n: int = 0) -> int:
    return n


@local.task
def add(numbers: list[int]) -> int:
    return sum(numbers)


def plan(**after: Any) -> Plan:
    """A plan with a node of each name; what it waits for is given."""
    made = Plan(local)
    for name, parents in after.items():
        made.add(work.si(), name=name, after=parents)
    return made


def names(nodes: list[dict[str, Any]]) -> list[str]:
    return [node["name"] for node in nodes]


def test_nodes_keep_the_order_in_which_they_were_written() -> None:
    assert names(written(plan(d=(), b="d", c=(), a="d"))) == ["d", "b", "c", "a"]


def test_a_node_stands_behind_its_parents_and_no_later_than_it_must() -> None:
    nodes = written(plan(last=["b", "c"], c=(), b=["c"], free=()))
    assert names(nodes) == ["c", "b", "last", "free"]
    assert edges(nodes) == {"b": ["c"], "last": ["b", "c"]}


def test_the_parents_of_a_node_keep_the_order_in_which_they_were_named() -> None:
    made = plan(a=(), b=(), c=())
    made.add(add.s(), after=["c", "a", "b"])
    assert edges(written(made))["add"] == ["c", "a", "b"]


DEEP = 3000  # more than Python's stack holds


def test_groups_in_groups_may_be_nested_deeper_than_python_calls() -> None:
    part: Any = work.s(0)
    for n in range(1, DEEP):
        part = group(part, work.s(n))
    made = Plan(local)
    assert made.add(part).is_list
    nodes = written(made)
    assert [node["args"]["n"] for node in nodes] == list(range(DEEP))
    assert not any(edges(nodes).values())


def test_so_may_chains_in_groups_in_chains() -> None:
    part: Any = work.s()
    for _ in range(DEEP // 2):
        part = chain(group(part), add.s())
    nodes = planned(local, part)
    assert [node.get("after") for node in nodes] == [None, *([place] for place in range(1, DEEP // 2 + 1))]
    assert all(node["takes_all"] for node in nodes[1:])


def test_a_mistake_far_below_is_named_and_leaves_nothing() -> None:
    other = PgQueue(NOWHERE)
    part: Any = other.task(work.function).s()
    for _ in range(DEEP):
        part = group(part)
    made = Plan(local)
    with pytest.raises(InvalidArgument, match="belongs to another app"):
        made.add(chain(work.si(), part))
    assert len(made) == 0


def test_names_are_made_unique_within_a_submission() -> None:
    assert names(planned(local, work.s(1), work.s(2), add.si([]), work.s(3))) == ["work", "work-2", "add", "work-3"]


def test_a_name_that_was_made_makes_way_for_those_that_were_given() -> None:
    made = plan(**{"work-2": (), "work": ()})
    made.add(work.si())
    assert names(written(made)) == ["work-2", "work", "work-3"]


def test_a_name_given_twice_is_refused() -> None:
    made = plan(a=())
    with pytest.raises(InvalidArgument, match="name: 'a' is taken by an earlier node"):
        made.add(work.si(), name="a")


@pytest.mark.parametrize("name", ["", 5, b"a", "nul \x00"])
def test_what_cannot_be_a_name_is_refused(name: Any) -> None:
    with pytest.raises(InvalidArgument, match="name: "):
        Plan(local).add(work.si(), name=name)


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidArgument, match="after: there is no node 'x'; there are: 'a', 'b'"):
        written(plan(a=(), b="x"))


@pytest.mark.parametrize(
    ("after", "shown"),
    [
        ({"a": "a"}, "'a' -> 'a'"),
        ({"a": "b", "b": "a"}, "'a' -> 'b' -> 'a'"),
        ({"free": (), "a": "c", "b": "a", "c": ["free", "b"]}, "'a' -> 'b' -> 'c' -> 'a'"),
    ],
    ids=["self", "two", "three"],
)
def test_a_circle_is_refused_and_its_nodes_are_named_in_order(after: dict[str, Any], shown: str) -> None:
    with pytest.raises(InvalidArgument, match="is a cycle") as refused:
        written(plan(**after))
    said = str(refused.value).removeprefix("after: ").partition(" is a cycle")[0].split(" -> ")
    wanted = shown.split(" -> ")
    assert said[0] == said[-1]
    assert said[:-1] in [wanted[:-1][turn:] + wanted[:-1][:turn] for turn in range(len(wanted))]


def test_a_parent_named_twice_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="after: 'a' is given twice"):
        written(plan(a=(), b=["a", "a"]))
    made = Plan(local, is_open=True)
    made.add(work.si(), after=[7, 7])
    with pytest.raises(InvalidArgument, match="after: job 7 is given twice"):
        written(made)


def test_an_empty_plan_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="nodes: the workflow is empty"):
        written(Plan(local))


def test_policies_stand_at_the_edges_that_have_one() -> None:
    made = Plan(local, is_open=True)
    made.add(work.si(), name="a")
    made.add(work.si(), name="b")
    made.add(work.si(), name="c", after=["a"], when="finished")
    made.add(work.si(), name="d", after={"a": "failed", "b": "succeeded"})
    made.add(work.si(), name="e", after=[7], when="failed")
    nodes = written(made)
    assert [node.get("after") for node in nodes[2:]] == [
        [{"node": 1, "when": "finished"}],
        [{"node": 1, "when": "failed"}, 2],
        [{"job": 7, "when": "failed"}],
    ]


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="when: 'later' is not valid; use succeeded, finished, failed"):
        Plan(local).add(work.si(), when="later")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="after: 'later' is not valid"):
        Plan(local).add(work.si(), after={"a": "later"})


@pytest.mark.parametrize("wrong", [5.0, True, None, [None], [["a"]]], ids=["float", "bool", "none", "nones", "nested"])
def test_what_is_no_parent_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"after: .* is not valid; use names of nodes"):
        Plan(local).add(work.si(), after=wrong)


def test_what_add_returned_is_of_one_plan() -> None:
    theirs = plan().add(work.si())
    with pytest.raises(InvalidArgument, match=r"after: Added.* is not valid"):
        plan(a=()).add(work.si(), after=theirs)


def test_a_part_that_is_refused_leaves_nothing() -> None:
    elsewhere = PgQueue(NOWHERE).task(name="elsewhere")(lambda: None)
    made = plan(a=())
    with pytest.raises(InvalidArgument, match="belongs to another app"):
        made.add(group(work.s(1), elsewhere.s()), name="both")
    made.add(work.si(), name="both", after="a")
    assert edges(written(made)) == {"both": ["a"]}


def test_a_new_workflow_has_no_jobs_that_are_there() -> None:
    with pytest.raises(InvalidArgument, match=r"after: job 7 is not part of this new workflow; use Task\.using\(depends_on"):
        Plan(local).add(work.si(), after=7)


def test_one_parent_gives_its_result_and_several_a_list() -> None:
    made = plan(a=(), b=())
    made.add(work.s(), name="one", after="a")
    made.add(add.s(), name="two", after=["a", "b"])
    one, two = written(made)[2:]
    assert (one["takes"], "takes_all" in one) == ("n", False)
    assert (two["takes"], two["takes_all"]) == ("numbers", True)


def test_a_part_of_many_nodes_has_a_name_for_its_end() -> None:
    made = Plan(local)
    end = made.add(group(work.s(1), work.s(2)), name="both")
    made.add(add.s(), name="by name", after="both")
    made.add(add.s(), name="by what add returned", after=end)
    nodes = written(made)
    assert names(nodes)[:2] == ["work", "work-2"]
    assert [(node["after"], node["takes_all"]) for node in nodes[2:]] == [([1, 2], True)] * 2


def test_what_is_added_to_a_workflow_names_nodes_that_are_there() -> None:
    made = Plan(local, is_open=True)
    made.add(work.si(), after=7, before=["join"])
    made.add(work.si(), name="mine", after=["theirs", "elsewhere"], before={"join": "finished"})
    made.add(work.si(), after={"mine": "failed", "theirs": "finished"}, before=7)
    assert [{key: node.get(key) for key in ("name", "after", "before")} for node in written(made)] == [
        {"name": None, "after": [{"job": 7}], "before": ["join"]},
        {"name": "mine", "after": ["theirs", "elsewhere"], "before": [{"node": "join", "when": "finished"}]},
        {
            "name": None,
            "after": [{"node": 2, "when": "failed"}, {"node": "theirs", "when": "finished"}],
            "before": [{"job": 7}],
        },
    ]


def test_the_end_of_a_part_is_before_what_waits_for_it() -> None:
    made = Plan(local, is_open=True)
    made.add(work.si(1) | group(work.s(), work.s()), after=7, before="join")
    assert [node.get("before") for node in written(made)] == [None, ["join"], ["join"]]


def test_before_is_for_nodes_that_are_there() -> None:
    made = Plan(local, is_open=True)
    made.add(work.si(), name="new")
    with pytest.raises(InvalidArgument, match="before: 'new' is also new"):
        made.add(work.si(), before="new")


def test_a_submission_remembers_how_it_was_written() -> None:
    made = plan(end="middle", middle="start", start=(), alone=())
    with made.submission() as submission:
        assert [submission.names[place] for place in submission.written] == ["end", "middle", "start", "alone"]


@pytest.mark.parametrize("many", [1, 2])
def test_the_nodes_of_a_group_at_the_end_of_a_part_are_known(many: int) -> None:
    made = Plan(local)
    made.add(work.s(1) | group([work.s()] * many))
    with made.submission() as submission:
        assert submission.lists == set(range(1, many + 1))


def test_ten_thousand_nodes_are_planned_in_a_moment() -> None:
    nodes = planned(local, work.map(range(10_000)) | add.s())
    assert len(nodes[-1]["after"]) == 10_000
    assert nodes[-2]["name"] == "work-10000"
