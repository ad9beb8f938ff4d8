"""What must hold of workflows, as plain functions: true of our SQL (test_workflow_races), false of each mutant (test_mutants).

Each raises an AssertionError where its guarantee is broken, whatever the database says to it, and leaves no drift.
"""

import functools
import json
from collections.abc import Callable
from itertools import permutations
from typing import Any

import psycopg

from .conftest import Sql
from .guarantees import without_waiting
from .workflow_steps import (
    DEAD,
    FINISH,
    LEVELS,
    SUCCEEDED,
    Node,
    OpenSql,
    Session,
    claim_all,
    drift,
    extend,
    finish,
    node,
    outcome_of,
    outcomes,
    states,
    submit,
    two_sessions,
    when,
)

TOLD = {"task": "told", "queue": "told"}


def guarantee(check: Callable[..., None]) -> Callable[..., None]:
    """A broken guarantee may show as an error of a constraint, or as a wait without end; a kept one leaves no drift."""

    @functools.wraps(check)
    def checked(sql: Sql, open_sql: OpenSql, *args: Any) -> None:
        try:
            check(sql, open_sql, *args)
        except psycopg.Error as error:
            raise AssertionError(f"{type(error).__name__}: {error}") from error
        assert drift(sql) == []

    return checked


def told(sql: Sql) -> list[str]:
    """The outcomes that callbacks were told, one for each time that a workflow has finished."""
    return [row["outcome"] for row in sql.rows("select meta->>'outcome' as outcome from job where task = 'told' order by id")]


@guarantee
def fan_in_releases_once(sql: Sql, open_sql: OpenSql, level: str = LEVELS[0]) -> None:
    """Two parents finish in two transactions, in every order of begin, finish and commit: their child is released once."""
    for order in sorted(set(permutations("111222"))):
        flow = submit(sql, node("p"), node("q"), node("c", "p", "q"), on_success=TOLD)
        before = len(told(sql))
        token, claimed = claim_all(sql)
        assert claimed == flow.jobs[:2]
        with two_sessions(sql, open_sql, level) as sessions:
            calls = [(FINISH, outcomes(token, [parent])) for parent in claimed]
            play(order, dict(zip("12", sessions, strict=True)), dict(zip("12", calls, strict=True)))

        assert states(sql, *flow.jobs) == ["succeeded", "succeeded", "live"], order
        token, claimed = claim_all(sql)
        assert claimed == flow.jobs[2:], order
        assert finish(sql, token, claimed) == []
        assert outcome_of(sql, flow.id) == "succeeded"
        assert len(told(sql)) == before + 1


def play(order: tuple[str, ...], sessions: dict[str, Session], calls: dict[str, tuple[str, str]]) -> None:
    """Each session begins, finishes and commits, in this order; one that waits goes on once the other has committed."""
    steps = dict.fromkeys(sessions, 0)
    left = list(order)
    waiting: str | None = None
    while left:
        who = next(who for who in left if who != waiting)
        left.remove(who)
        match steps[who]:
            case 0:
                sessions[who].begin()
            case 1:
                if sessions[who].start(*calls[who]):
                    waiting = who
                else:
                    sessions[who].result()
            case _:
                sessions[who].commit()
                if waiting:
                    sessions[waiting].result()
                    waiting = None
        steps[who] += 1


@guarantee
def three_parents_in_one_batch_count_thrice(sql: Sql, open_sql: OpenSql) -> None:
    """One finish ends three parents of one child, another ends the fourth."""
    flow = submit(sql, node(), node(), node(), node(), node("c", 1, 2, 3, 4), on_success=TOLD)
    token, claimed = claim_all(sql)

    finish(sql, token, claimed[:3])
    assert states(sql, flow.jobs[4]) == ["blocked"]
    finish(sql, token, claimed[3:])

    assert states(sql, flow.jobs[4]) == ["live"]
    finish(sql, *claim_all(sql))
    assert (outcome_of(sql, flow.id), told(sql)) == ("succeeded", ["succeeded"])


@guarantee
def the_last_two_nodes_tell_once(sql: Sql, open_sql: OpenSql, level: str = LEVELS[0]) -> None:
    """Two nodes are all that is open, and end at once: the workflow finishes once."""
    flow = submit(sql, node("a"), node("b"), on_success=TOLD, on_failure=TOLD)
    token, (a, b) = claim_all(sql)
    with two_sessions(sql, open_sql, level) as (one, two):
        one.begin()
        two.begin()
        one.do(FINISH, outcomes(token, [a]))
        waits = two.start(FINISH, outcomes(token, [b]))
        one.commit()
        two.result()
        two.commit()

    assert waits
    assert (outcome_of(sql, flow.id), told(sql)) == ("succeeded", ["succeeded"])


@guarantee
def a_late_edge_is_settled(
    sql: Sql, open_sql: OpenSql, level: str, first: str, ends: str, policy: str, outcome: Node, verb: str = "extend"
) -> None:
    """A child is added while its parent's finish is open, or the other way round: it runs, or is skipped, as its edge says."""
    flow = submit(sql, node("p"), node("holds it open"))
    token, _ = claim_all(sql)
    parent = flow.jobs[0]
    calls: dict[str, tuple[Any, ...]] = {"finish": (FINISH, outcomes(token, [parent], outcome))}
    if verb == "extend":
        nodes = [node("x", when("p", policy)), node("y", "x")]
        calls["add"] = ("select unnest(extend_workflow(%s, %s)) as id", flow.id, json.dumps(nodes))
    else:
        calls["add"] = ("select enqueue('noop', depends_on => %s, run_if => %s) as id", [parent], policy)
    second = "add" if first == "finish" else "finish"
    with two_sessions(sql, open_sql, level) as (one, two):
        one.begin()
        two.begin()
        added = one.do(*calls[first])
        waits = two.start(*calls[second])
        getattr(one, ends)()
        finished = two.result()
        added = finished if second == "add" else added
        two.commit()
        if ends == "rollback":
            again = one.do(*calls[first])
            added = again if first == "add" else added

    assert waits
    runs = policy == "finished" or (policy == "succeeded") == (outcome == SUCCEEDED)
    ids = [row["id"] for row in added]
    assert states(sql, *ids) == (["live", "blocked"] if runs else ["skipped", "skipped"])[: len(ids)]


@guarantee
def a_late_child_of_a_parent_that_has_ended_is_settled(sql: Sql, open_sql: OpenSql) -> None:
    """Whichever way it is added."""
    flow = submit(sql, node("p"), node("holds it open"))
    token, (parent, _) = claim_all(sql)
    finish(sql, token, [parent])

    (extended,) = extend(sql, flow.id, node("x", "p"))
    enqueued = sql.enqueue(depends_on=[parent])

    assert states(sql, extended, enqueued) == ["live", "live"]


def late_edges_at_every_level(sql: Sql, open_sql: OpenSql) -> None:
    """Whatever the two transactions see, and whichever is first."""
    for level in LEVELS:
        for first in ("add", "finish"):
            a_late_edge_is_settled(sql, open_sql, level, first, "commit", "succeeded", SUCCEEDED)


@guarantee
def finish_again_counts_once(sql: Sql, open_sql: OpenSql) -> None:
    """A finish is handed in again while the first is open, and after it, as when its reply was lost: no edge counts twice."""
    flow = submit(sql, node("p"), node("q"), node("c", "p", "q"))
    token, (p, q) = claim_all(sql)
    with two_sessions(sql, open_sql) as (one, _):
        one.begin()
        one.do(FINISH, outcomes(token, [p]))
        with without_waiting(sql):
            assert finish(sql, token, [p]) == ["busy"]
        one.commit()

    assert finish(sql, token, [p]) == ["stale"]
    assert finish(sql, token, [p, p]) == ["stale", "stale"]
    assert states(sql, *flow.jobs) == ["succeeded", "live", "blocked"]
    assert finish(sql, token, [p, q]) == ["stale"]
    assert states(sql, *flow.jobs) == ["succeeded", "succeeded", "live"]


@guarantee
def a_stale_owner_cannot_end_a_node(sql: Sql, open_sql: OpenSql) -> None:
    """A node is rescued and runs under another worker: its first owner releases and skips nothing."""
    flow = submit(sql, node("p", retries=9), node("c", "p"), node("d", when("p", "failed")))
    lost = sql.worker()
    stale, _ = sql.claim(lost)
    sql.lose(lost)
    sql.value("select rescue()")
    token, claimed = claim_all(sql)

    for outcome in (SUCCEEDED, DEAD, {"state": "cancelled"}):
        assert finish(sql, stale, claimed, outcome) == ["stale"]
        assert states(sql, *flow.jobs) == ["live", "blocked", "blocked"]

    assert finish(sql, token, claimed) == []
    assert states(sql, *flow.jobs) == ["succeeded", "live", "skipped"]


@guarantee
def skips_cascade(sql: Sql, open_sql: OpenSql) -> None:
    """A dead letter skips what hangs on it, and what hangs on that, but not what wants its failure."""
    flow = submit(
        sql, node("p"), node("x", "p"), node("y", "x"), node("z", "y", when("p", "finished")), node("alarm", when("p", "failed")),
        node("clean up", when("y", "finished")), on_failure=TOLD,
    )  # fmt: skip
    token, claimed = claim_all(sql)

    finish(sql, token, claimed, DEAD)

    assert states(sql, *flow.jobs) == ["failed", "skipped", "skipped", "skipped", "live", "live"]
    finish(sql, *claim_all(sql))
    assert (outcome_of(sql, flow.id), told(sql)) == ("failed", ["failed"])


@guarantee
def cascades_cross(sql: Sql, open_sql: OpenSql, level: str = LEVELS[0]) -> None:
    """Two failing batches whose cascades meet the same two nodes in opposite orders: one waits, both get through.

    What waits for a node of each cascade counts each once, though the second, had it not waited, would skip both itself.
    """
    flow = submit(
        sql, node("p"), node("p2"), node("q"), node("q2"), node("z", "p2"), node("w", "q2"), node("x", "p", "w"),
        node("y", "q", "z"), node("v", when("x", "finished"), when("w", "finished")), on_failure=TOLD,
    )  # fmt: skip
    token, claimed = claim_all(sql)
    with two_sessions(sql, open_sql, level) as (one, two):
        one.begin()
        two.begin()
        one.do(FINISH, outcomes(token, claimed[:2], DEAD))
        waits = two.start(FINISH, outcomes(token, claimed[:1:-1], DEAD))
        one.commit()
        two.result()
        two.commit()

    assert waits
    assert states(sql, *flow.jobs) == ["failed"] * 4 + ["skipped"] * 4 + ["live"]
    finish(sql, *claim_all(sql))
    assert told(sql) == ["failed"]


@guarantee
def opposite_batches_do_not_deadlock(sql: Sql, open_sql: OpenSql) -> None:
    """Two batches over the same two workflows in opposite orders, begun while somebody holds the first of them."""
    diamond = [node("a"), node("b"), node("c", "a", "b")]
    first, second = submit(sql, *diamond), submit(sql, *diamond)
    token, _ = claim_all(sql)
    holder = open_sql()
    with two_sessions(sql, open_sql) as (one, two):
        with holder.connection.transaction():
            holder.rows("select from workflow where id = %s for update", first.id)
            assert one.start(FINISH, outcomes(token, [first.jobs[0], second.jobs[0]]))
            assert two.start(FINISH, outcomes(token, [second.jobs[1], first.jobs[1]]))
        one.result()
        two.result()

    assert states(sql, first.jobs[2], second.jobs[2]) == ["live", "live"]


@guarantee
def retry_counts_anew(sql: Sql, open_sql: OpenSql) -> None:
    """A retried parent is waited for again, by what was skipped and by what is blocked still; one that has ended is not."""
    flow = submit(sql, node("p"), node("q"), node("r"), node("x", "p", "q"), node("y", "x"),
                  node("z", when("q", "finished"), "r"), on_success=TOLD, on_failure=TOLD)  # fmt: skip
    p, q, r, *below = flow.jobs
    token, _ = claim_all(sql)
    finish(sql, token, [p])
    finish(sql, token, [q], DEAD)
    assert states(sql, *below) == ["skipped", "skipped", "blocked"]

    sql.value("select id from retry(%s)", q)
    assert states(sql, q, *below) == ["live", "blocked", "blocked", "blocked"]
    finish(sql, token, [r])
    assert states(sql, *below) == ["blocked", "blocked", "blocked"]
    again, claimed = claim_all(sql)
    assert claimed == [q]
    finish(sql, again, [q])

    assert states(sql, *below) == ["live", "blocked", "live"]
    finish(sql, *claim_all(sql))
    finish(sql, *claim_all(sql))
    assert (outcome_of(sql, flow.id), told(sql)) == ("succeeded", ["succeeded"])


@guarantee
def a_held_workflow_stalls_only_itself(sql: Sql, open_sql: OpenSql) -> None:
    """Somebody holds a workflow: a finish of its jobs is refused soon and changes nothing; those of others go through."""
    held, other = submit(sql, node("a"), node("b", "a")), submit(sql, node("a"), node("b", "a"))
    token, claimed = claim_all(sql)
    before = sql.rows("select * from jobs order by id")
    holder = open_sql()

    with holder.connection.transaction():
        extend(holder, held.id, node("c", "b"))
        with without_waiting(sql):
            assert sql.refusal("select * from finish(%s)", outcomes(token, claimed)).sqlstate == "55P03"
        assert sql.rows("select * from jobs order by id") == before
        assert finish(sql, token, other.jobs[:1]) == []
        assert states(sql, *other.jobs, *held.jobs) == ["succeeded", "live", "live", "blocked"]

    assert finish(sql, token, held.jobs[:1]) == []
    assert states(sql, *held.jobs) == ["succeeded", "live"]


@guarantee
def cancelling_leaves_a_held_job_alone(sql: Sql, open_sql: OpenSql) -> None:
    """A claim that has not committed holds a node: cancel_workflow ends the others and does not wait."""
    flow = submit(sql, node("a"), node("b"), node("c", "b"), node("d", when("a", "finished")))
    worker = sql.worker()
    claimer = open_sql()

    with claimer.connection.transaction():
        token, rows = claimer.claim(worker, 1)
        assert [row["id"] for row in rows] == flow.jobs[:1]
        with without_waiting(sql):
            assert sql.value("select cancel_workflow(%s)", flow.id) == 3
    assert finish(sql, token, flow.jobs[:1]) == []

    assert states(sql, *flow.jobs) == ["succeeded", "cancelled", "cancelled", "cancelled"]
    assert outcome_of(sql, flow.id) == "cancelled"
