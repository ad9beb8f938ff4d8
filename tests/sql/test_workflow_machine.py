"""Random graphs and random sequences of verbs against the model: after every step the whole workflow is as it says.

One connection, one transaction an example, rolled back. PGQUEUE_TEST_SEED repeats a run.
"""

import json
import os
import random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from .conftest import Sql
from .workflow_model import WAITING, Model, Node
from .workflow_steps import POLICIES, drift

MOST = 30  # nodes
AT_ONCE = {"backoff": "fixed", "delay": 0, "jitter": False}
OUTCOMES = ["succeeded", "succeeded", "succeeded", "cancelled", "failed", "dead", "snoozed"]
TOLD = {"task": "told", "queue": "told"}
Edges = dict[int, str]


class Workflow(RuleBasedStateMachine):
    """The SQL functions and the model side by side."""

    def __init__(self, sql: Sql) -> None:
        super().__init__()
        self.sql = sql
        self.model = Model()
        self.workers: dict[UUID, UUID] = {}  # token: who claimed with it
        self.transaction = sql.connection.transaction(force_rollback=True)
        self.transaction.__enter__()

    def teardown(self) -> None:
        try:
            if self.model.nodes:
                self.drain()
        finally:
            self.transaction.__exit__(None, None, None)

    # Shapes.

    def _draw_parents(self, data: st.DataObject, places: int, existing: list[int]) -> list[dict[str, Any]]:
        """Parents among the earlier elements and the nodes that are there, as `after` names them."""
        pool: list[dict[str, Any]] = [{"node": place} for place in range(1, places + 1)] + [{"job": id} for id in existing]
        if not pool:
            return []
        picked = data.draw(st.lists(st.sampled_from(range(len(pool))), max_size=3, unique=True), label="parents")
        return [{**pool[place], "when": data.draw(st.sampled_from(POLICIES), label="when")} for place in picked]

    def _draw_nodes(self, data: st.DataObject, most: int, existing: list[int]) -> list[dict[str, Any]]:
        count = data.draw(st.integers(1, most), label="nodes")
        return [
            {"task": "noop", "retry": AT_ONCE, "retries": place % 3, "after": self._draw_parents(data, place, existing)}
            for place in range(count)
        ]

    def _learn(self, nodes: list[dict[str, Any]], ids: list[int]) -> None:
        """Nodes that the database has taken."""
        for given, id in zip(nodes, ids, strict=True):
            into = {parent["job"] if "job" in parent else ids[parent["node"] - 1]: parent["when"] for parent in given["after"]}
            self.model.nodes[id] = Node(id, into, given["retries"] + 1)
        for given, id in zip(nodes, ids, strict=True):
            for child in given.get("before", []):
                self.model.nodes[child["job"]].into[id] = child["when"]

    def _any(self, data: st.DataObject, *states: str) -> Node:
        return data.draw(st.sampled_from(self.model.of(*states)), label="node")

    @initialize(data=st.data())
    def submit(self, data: st.DataObject) -> None:
        nodes = self._draw_nodes(data, 15, [])
        (row,) = self.sql.rows(
            "select * from enqueue_workflow(%s, on_success => %s, on_failure => %s)", *map(json.dumps, (nodes, TOLD, TOLD))
        )
        self.id = row["workflow_id"]
        self._learn(nodes, row["job_ids"])
        self.model.settle()

    def _may_grow(self) -> bool:
        return len(self.model.nodes) < MOST - 3

    @precondition(_may_grow)
    @rule(data=st.data())
    def extend(self, data: st.DataObject) -> None:
        nodes = self._draw_nodes(data, 3, list(self.model.nodes))
        query = "select extend_workflow(%s, %s)"
        if self.model.cancelled:
            assert self.sql.refusal(query, self.id, json.dumps(nodes)).sqlstate == "PQ004"
            return
        self._learn(nodes, self.sql.value(query, self.id, json.dumps(nodes)))
        self.model.settle(was_open=False)

    @precondition(lambda self: self._may_grow() and self.model.of("blocked") and not self.model.cancelled)
    @rule(data=st.data())
    def extend_before(self, data: st.DataObject) -> None:
        nodes = self._draw_nodes(data, 2, list(self.model.nodes))
        for given in nodes:
            children = data.draw(st.lists(st.sampled_from(self.model.of("blocked")), max_size=2, unique_by=id), label="before")
            given["before"] = [{"job": child.id, "when": data.draw(st.sampled_from(POLICIES))} for child in children]
        if self._makes_cycle(nodes):
            assert self.sql.refusal("select extend_workflow(%s, %s)", self.id, json.dumps(nodes)).sqlstate == "PQ001"
            return
        self._learn(nodes, self.sql.value("select extend_workflow(%s, %s)", self.id, json.dumps(nodes)))
        self.model.settle(was_open=False)

    def _makes_cycle(self, nodes: list[dict[str, Any]]) -> bool:
        """Places are ids below zero here."""
        trial = Model({id: Node(id, dict(node.into), 1) for id, node in self.model.nodes.items()})
        more: dict[int, Edges] = {}
        for place, given in enumerate(nodes, 1):
            trial.nodes[-place] = Node(-place, {p["job"] if "job" in p else -p["node"]: p["when"] for p in given["after"]}, 1)
            for child in given["before"]:
                more.setdefault(child["job"], {})[-place] = child["when"]
        return trial.has_cycle(more)

    @precondition(lambda self: self._may_grow() and not self.model.cancelled)
    @rule(data=st.data(), run_if=st.sampled_from(POLICIES))
    def depend(self, data: st.DataObject, run_if: str) -> None:
        parents = data.draw(
            st.lists(st.sampled_from(list(self.model.nodes)), min_size=1, max_size=3, unique=True), label="parents"
        )
        id = self.sql.enqueue(depends_on=parents, run_if=run_if, retries=0, retry=json.dumps(AT_ONCE))
        self.model.nodes[id] = Node(id, dict.fromkeys(parents, run_if), 1)
        self.model.settle(was_open=False)

    # Workers.

    @rule(want=st.integers(1, 8))
    def claim(self, want: int) -> None:
        worker = self.sql.worker()
        # By their ids: what a seed does must not hang on the clock.
        self.sql.rows("update job set run_at = '2020-01-01'::timestamptz + id * interval '1 s' where state = 'ready'")
        token, rows = self.sql.claim(worker, want)
        self.workers[token] = worker
        for row in sorted(rows, key=lambda row: int(row["id"])):
            node = self.model.nodes[row["id"]]
            assert node.state == "ready", f"a node runs that is {node.state}"  # so its parents have ended as its edges want it
            assert row["node"].get("has_parents", False) == bool(node.into)
            node.state, node.token = "running", token
            node.attempt += 1

    @precondition(lambda self: self.model.of("running"))
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        token = self._any(data, "running").token
        assert token
        held = [node.id for node in self.model.of("running")]  # those of others are stale
        chosen = data.draw(st.dictionaries(st.sampled_from(held), st.sampled_from(OUTCOMES), min_size=1), label="outcomes")
        later = data.draw(st.booleans(), label="later")
        self._finish(token, chosen, later)

    def _finish(self, token: UUID, chosen: dict[int, str], later: bool = False) -> None:
        outcomes = [
            {"id": id, "state": "failed" if how == "dead" else how, "final": how == "dead", "delay": 3600 * later}
            for id, how in chosen.items()
        ]
        verdicts = {row["job_id"]: row["verdict"] for row in self.sql.finish(token, *outcomes)}
        was_open = not self.model.is_finished()
        expected = {id: self.model.finish(id, token, how, later) for id, how in chosen.items()}
        self.model.settle(was_open)
        assert verdicts == {id: verdict for id, verdict in expected.items() if verdict}

    @precondition(lambda self: self._may_grow() and self.model.of("running"))
    @rule(data=st.data(), outcome=st.sampled_from(["succeeded", "succeeded", "dead"]))
    def finish_and_add(self, data: st.DataObject, outcome: str) -> None:
        """What a job adds is there if it has succeeded, and its workflow was not cancelled."""
        parent = self._any(data, "running")
        assert parent.token
        nodes = self._draw_nodes(data, 3, [parent.id])
        said = {"id": parent.id, "token": str(parent.token), "state": "failed" if outcome == "dead" else outcome, "final": True}
        before = set(self.model.nodes)
        self.sql.rows("select * from finish(%s, %s)", json.dumps([said]), json.dumps([{"id": parent.id, "nodes": nodes}]))
        rows = self.sql.rows("select job_id from workflow_node where workflow_id = %s order by job_id", self.id)
        added = [row["job_id"] for row in rows if row["job_id"] not in before]
        assert len(added) == (len(nodes) if outcome == "succeeded" and not self.model.cancelled else 0)
        if added:
            self._learn(nodes, added)
        self.model.finish(parent.id, parent.token, outcome, False)
        self.model.settle()

    @precondition(lambda self: self.model.of("running"))
    @rule(data=st.data(), times=st.integers(1, 3))
    def crash(self, data: st.DataObject, times: int) -> None:
        """The worker of a node is lost; perhaps those that claim it next are, too."""
        token = self._any(data, "running").token
        for _ in range(times):
            assert token
            self.sql.lose(self.workers[token])
            assert self.sql.value("select rescue()") == self.model.rescue(token)
            self.model.settle()
            self.the_database_is_as_the_model_says()
            self.all_waiting_is_over()
            before = set(self.workers)
            self.claim(8)
            (token,) = set(self.workers) - before
            if not any(node.token == token for node in self.model.of("running")):
                return

    @rule()
    def all_waiting_is_over(self) -> None:
        self.sql.make_due()
        assert self.sql.value("select promoted from promote()") == len(self.model.of("scheduled"))
        for node in self.model.of("scheduled"):
            node.state = "ready"

    # People.

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        node = self.model.nodes[data.draw(st.sampled_from(list(self.model.nodes)), label="node")]
        if node.state == "running":
            assert self.sql.value("select cancel(%s)", node.id) == "asked"
            node.is_asked = True
            return
        if node.state not in WAITING:
            assert self.sql.refusal("select cancel(%s)", node.id).sqlstate == "PQ004"
            return
        self.sql.value("select cancel(%s)", node.id)
        self.model.leave(node, "cancelled")
        self.model.settle()

    @precondition(lambda self: not self.model.is_finished())
    @rule(sure=st.integers(0, 3))
    def cancel_workflow(self, sure: int) -> None:
        if sure < 3:  # rarely: little happens afterwards
            return
        ended = self.sql.value("select cancel_workflow(%s)", self.id)
        assert ended == self.model.cancel()
        self.model.settle()

    @precondition(lambda self: self.model.of("failed"))
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        node = self._any(data, "failed")
        assert self.sql.value("select id from retry(%s, force => true)", node.id) == node.id  # it may have come back often
        self.model.retry(node)
        self.model.settle()

    @rule()
    def retry_workflow(self) -> None:
        dead = self.model.of("failed")
        assert self.sql.value("select retry_workflow(%s)", self.id) == len(dead)
        if dead:
            self.model.retry(*dead)
            self.model.settle()

    # After every step, and at the end.

    @invariant()
    def the_database_is_as_the_model_says(self) -> None:
        if not self.model.nodes:
            return
        rows = self.sql.rows(
            """select job_id, state, waits_for, coalesce(attempt, 0) as attempt from workflow_nodes where workflow_id = %s""",
            self.id,
        )
        found = {row["job_id"]: (row["state"], row["waits_for"]) for row in rows}
        assert found == {node.id: (node.state, self.model.pending(node)) for node in self.model.nodes.values()}
        jobs = self.sql.rows("select id, state::text from jobs where workflow_id = %s", self.id)
        assert len(jobs) == len(found), "a job is lost, or in two places"
        assert {job["id"]: job["state"] for job in jobs} == {
            node.id: "cancelled" if node.state == "skipped" else node.state for node in self.model.nodes.values()
        }
        (flow,) = self.sql.rows("select outcome::text, open, nodes, cancelled_at from workflow where id = %s", self.id)
        assert (flow["outcome"], flow["open"], flow["nodes"], flow["cancelled_at"] is not None) == (
            self.model.outcome(), sum(not node.is_over for node in self.model.nodes.values()), len(found), self.model.cancelled
        )  # fmt: skip
        told = self.sql.rows("select meta->>'outcome' as outcome from job where task = 'told' order by id")
        assert [row["outcome"] for row in told] == [outcome for outcome in self.model.told if outcome in ("succeeded", "failed")]
        assert drift(self.sql) == []

    def drain(self) -> None:
        """Whatever was done to it, a workflow comes to its end."""
        for _ in range(3 * MOST):
            if self.model.is_finished():
                break
            self.all_waiting_is_over()
            self.claim(100)
            for token in {node.token for node in self.model.of("running")}:
                assert token
                self._finish(token, {node.id: "succeeded" for node in self.model.of("running") if node.token == token})
        assert self.model.is_finished()
        self.the_database_is_as_the_model_says()
        assert self.sql.value("select count(*) from job where workflow_id = %s", self.id) == 0


@pytest.mark.parametrize("examples", [25, pytest.param(250, marks=pytest.mark.slow)])
def test_any_sequence_of_verbs_does_to_a_workflow_what_the_model_says(lasting_sql: Sql, examples: int) -> None:
    number = int(os.environ.get("PGQUEUE_TEST_SEED") or random.SystemRandom().randrange(2**32))
    print(f"repeat with PGQUEUE_TEST_SEED={number}")

    @seed(number)
    def machine() -> Workflow:
        return Workflow(lasting_sql)

    run_state_machine_as_test(
        machine,  # type: ignore[arg-type]  # it takes any factory
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
