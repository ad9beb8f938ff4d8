"""Random limits, keys, costs, workers and moves, with what limits promise computed from the starts themselves after each step.

One connection, one transaction an example, rolled back. Time travels by ageing rows. PGQUEUE_TEST_SEED repeats a run.
"""

import os
import random
import sys
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from .conftest import Sql
from .limit_steps import look_everywhere, lost_lanes, pass_time, set_limit

QUEUES = ["a", "b"]
KEYS = ["api", "crew", "tenant:1", "tenant:2"]
NAMES = ["api", "crew", "tenant", "tenant:2", "queue:a"]
PER = "1000 s"  # so slow that the time a test takes is nothing
OUTCOMES = ["succeeded", "cancelled", "failed", "snoozed", "unknown_task", "rate_limited"]
ANY = st.integers(0, 50)  # which of those that are there: drawn alike whatever there is
Item = TypeVar("Item")
LIMIT = st.fixed_dictionaries(
    {
        "rate": st.sampled_from([0, 5, 20, 100]),
        "burst": st.sampled_from([1, 2, 5]),
        "max_running": st.sampled_from([0, 1, 2]),
        "weight": st.sampled_from([1, 4]),
        "retry_blocks": st.booleans(),
        "enabled": st.sampled_from([True, True, True, False]),
    }
)


class Limits(RuleBasedStateMachine):
    """The SQL functions, and a list of every start."""

    def __init__(self, sql: Sql) -> None:
        super().__init__()
        self.sql = sql
        self.ids: set[int] = set()
        self.workers: list[UUID] = []
        self.starts: dict[
            str, list[tuple[float, int, tuple[int, UUID]]]
        ] = {}  # of each key since it was changed: when, in travelled time, cost, and of which claim
        self.claims: dict[str, set[tuple[int, UUID]]] = {}  # the same starts, by job and token
        self.travelled = 0.0
        self.epoch: datetime = sql.value("select clock_timestamp()")
        self.tampered = False
        self.transaction = sql.connection.transaction(force_rollback=True)
        self.transaction.__enter__()
        sql.value("select setseed(0.5)")  # an example that is repeated goes the same way

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:
                self._all_drains()
        finally:
            self.transaction.__exit__(None, None, None)

    @initialize(limits=st.fixed_dictionaries(dict.fromkeys(["api", "crew", "tenant"], LIMIT)))
    def begin(self, limits: dict[str, dict[str, Any]]) -> None:
        for name, limit in limits.items():
            self._set(name, limit)
        self.workers = [self.sql.worker(queues=tuple(QUEUES)) for _ in range(2)]
        for queue in QUEUES:
            for key in KEYS:
                self.enqueue([key], 1, 3, queue, 0, None, None)
            self.enqueue([], 1, 3, queue, 0, None, None)

    @staticmethod
    def _any(items: list[Item], which: int) -> list[Item]:
        """One of them, or none when there are none."""
        return [items[which % len(items)]] if items else []

    def _set(self, name: str, limit: dict[str, Any]) -> None:
        given = {**limit, "per": PER} if limit["rate"] else limit
        if name.startswith("queue:"):  # it has no order to keep
            given = {**given, "retry_blocks": False}
        set_limit(self.sql, name, **{**given, "burst": given["burst"] if given["rate"] else None})
        self._forget(name)

    def _forget(self, name: str) -> None:
        """What was started before a change is not bound by what is said now."""
        for key in list(self.starts):
            if name in (key, key.partition(":")[0]):
                del self.starts[key], self.claims[key]

    # Producers.

    @rule(
        keys=st.lists(st.sampled_from(KEYS), unique=True, max_size=3),
        cost=st.sampled_from([1, 1, 2, 6]),
        count=st.integers(1, 6),
        queue=st.sampled_from(QUEUES),
        priority=st.sampled_from([0, 0, 5]),
        later=st.sampled_from([None, None, "100 s"]),
        fair=st.sampled_from([None, None, "fair:1", "fair:2"]),
    )
    def enqueue(
        self, keys: list[str], cost: int, count: int, queue: str, priority: int, later: str | None, fair: str | None
    ) -> None:
        limited: dict[str, Any] = {"limits": keys or None, "fair": fair, "limits_declared": keys or None}
        if keys or fair:
            limited["cost"] = cost
        for _ in range(count):
            self.ids.add(
                self.sql.enqueue(queue=queue, priority=priority, run_after=later, retries=50, **limited)  # nobody dies of retries
            )

    # Workers.

    @rule(which=ANY, queues=st.permutations(QUEUES), want=st.integers(1, 12))
    def claim(self, which: int, queues: list[str], want: int) -> None:
        self._claim(self.workers[which % 2], queues, want)

    @rule(seconds=st.sampled_from([0, 10, 200]))
    def work(self, seconds: int) -> None:
        """Both workers take what they can, and again after a while."""
        for worker in (*self.workers, *self.workers):
            self._claim(worker, QUEUES, 12)
            self.nothing_is_lost()
            self.time_passes(seconds)

    @rule()
    def end(self) -> None:
        """All that runs ends well."""
        for row in self._running():
            self.sql.finish(row["claim_token"], {"id": row["id"], "state": "succeeded"})

    def _claim(self, worker: UUID, queues: list[str], want: int) -> list[dict[str, Any]]:
        parked = {row["key"] for row in self.sql.rows("select key from parking where until > clock_timestamp()")}
        _, rows = self.sql.claim(worker, want, tuple(queues))
        assert len(rows) <= want
        ids = [row["id"] for row in rows]
        assert len(set(ids)) == len(ids)
        begun = self.sql.rows(
            "select id, claimed_at, coalesce(cost, 1) as cost, limits, queue, claim_token from job where id = any (%s)", ids
        )
        for row in begun:
            keys = self._keys(row)
            assert not parked & set(keys), f"job {row['id']} started while {parked & set(keys)} is parked"
            for key in keys:
                at = (row["claimed_at"] - self.epoch).total_seconds() + self.travelled
                cost = 1 if key.startswith("queue:") else row["cost"]
                self.starts.setdefault(key, []).append((at, cost, (row["id"], row["claim_token"])))
                self.claims.setdefault(key, set()).add((row["id"], row["claim_token"]))
        for key in {key for row in begun for key in self._keys(row)}:
            self._keeps_its_limit(key)
        return rows

    def _keys(self, row: dict[str, Any]) -> list[str]:
        """The keys under which a job starts: its own, and that of its queue."""
        gate = f"queue:{row['queue']}"
        is_gated = self.sql.value("select exists (select from limit_def where name = %s and enabled)", gate)
        return [*(row["limits"] or []), *([gate] if is_gated else [])]

    def _keeps_its_limit(self, key: str) -> None:
        """The rate over any window of its starts, and the places of those that run."""
        limits = self.sql.rows("select * from limit_of(%s)", key)
        if not limits:
            return
        limit = limits[0]
        if limit["max_running"]:
            claims = self.claims[key]
            running = sum((row["id"], row["claim_token"]) in claims for row in self._running())
            assert running <= limit["max_running"], f"{running} of {key} run, {limit['max_running']} may"
        if limit["rate"]:
            starts = sorted(self.starts.get(key, []))
            for first in range(len(starts)):
                tokens = 0.0
                for at, cost, _ in starts[first:]:
                    allowed = limit["burst"] + limit["per_second"] * (at - starts[first][0])
                    assert tokens + min(cost, limit["burst"]) <= allowed + 1e-6, f"{key}: {starts} under {limit}"
                    tokens += cost

    def _never_started(self, row: dict[str, Any]) -> None:
        """Its tokens come back; to a bucket that was filled by hand since, too, where nobody counts them."""
        claim = (row["id"], row["claim_token"])
        for key in {*(row["limits"] or []), f"queue:{row['queue']}"} & self.starts.keys():
            starts = self.starts[key]
            self.starts[key] = [start for start in starts if start[2] != claim]
            if len(self.starts[key]) == len(starts):
                self._forget(key)

    def _running(self) -> list[dict[str, Any]]:
        return self.sql.rows("select id, claim_token, limits, queue from job where state = 'running' order by id")

    @rule(which=st.lists(ANY, min_size=1, max_size=4), state=st.sampled_from(OUTCOMES), delay=st.sampled_from([0, 300]))
    def finish(self, which: list[int], state: str, delay: int) -> None:
        for n in which:
            for row in self._any(self._running(), n):
                outcome = {"id": row["id"], "state": state, "delay": delay}
                if state == "rate_limited" and row["limits"]:
                    outcome["key"] = [None, row["limits"][0], "foreign"][n % 3]
                if state == "unknown_task":
                    self._never_started(row)
                verdicts = self.sql.finish(row["claim_token"], outcome)
                assert [v["verdict"] for v in verdicts] in ([], ["scheduled"])

    @rule(which=ANY)
    def give_back(self, which: int) -> None:
        for row in self._any(self._running(), which):
            self._never_started(row)
            assert self.sql.rows("select give_back(%s, %s) as id", row["claim_token"], [row["id"]]) == [{"id": row["id"]}]

    @rule(which=ANY, told=st.booleans())
    def crash(self, which: int, told: bool) -> None:
        """A worker dies with what it runs."""
        worker = self.workers[which % 2]
        if told:
            started = [
                row["id"] for row in self.sql.rows("select id from job where worker_id = %s and state = 'running'", worker)
            ]
            self.sql.rows("select heartbeat(%s, %s::bigint[], 'notify')", worker, started)
        self.sql.lose(worker)
        self.sql.value("select rescue()")
        self.workers[which % 2] = self.sql.worker(queues=tuple(QUEUES))

    # Time and people.

    @rule(seconds=st.sampled_from([1, 30, 100, 400]))
    def time_passes(self, seconds: int) -> None:
        pass_time(self.sql, seconds)
        self.travelled += seconds
        self.sql.value("select promoted from promote()")

    def _is_known(self, key: str) -> bool:
        """Whether there is a limit for it, or it is in use: it has a bucket, is parked, or jobs with it wait or run."""
        known = """select exists (select from limit_of(%(key)s)) or exists (select from bucket where key = %(key)s)
            or exists (select from parking where key = %(key)s and until > clock_timestamp())
            or exists (select from turn where %(key)s = any (keys))
            or exists (select from job where state = 'running' and %(key)s = any (limits))"""
        with self.sql.connection.cursor() as cursor:
            (answer,) = cursor.execute(known, {"key": key}).fetchall()
        return bool(answer[0])

    @rule(key=st.sampled_from(KEYS), seconds=st.sampled_from([50, 500]))
    def park(self, key: str, seconds: int) -> None:
        if self._is_known(key):
            self.sql.value("select park(%s, clock_timestamp() + make_interval(secs => %s))", key, seconds)
        else:
            assert self.sql.refusal("select park(%s, clock_timestamp())", key).sqlstate == "PQ001"

    @rule(key=st.sampled_from(KEYS))
    def unpark_and_reset(self, key: str) -> None:
        if self._is_known(key):
            self.sql.value("select unpark(%s)", key)
            self.sql.value("select reset_limit(%s)", key)
            self._forget(key)
        else:
            assert self.sql.refusal("select reset_limit(%s)", key).sqlstate == "PQ001"

    @rule(name=st.sampled_from(NAMES), limit=LIMIT)
    def change(self, name: str, limit: dict[str, Any]) -> None:
        self._set(name, limit)

    @rule(name=st.sampled_from(NAMES))
    def delete(self, name: str) -> None:
        if self.sql.rows("select from limit_def where name = %s", name):
            self.sql.value("select delete_limit(%s)", name)
            self._forget(name)

    @rule(which=ANY)
    def cancel(self, which: int) -> None:
        rows = self.sql.rows("select id from job where state in ('scheduled', 'ready') order by id")
        for row in self._any(rows, which):
            self.sql.value("select cancel(%s)", row["id"])

    @rule(what=st.sampled_from(["true", "lane_id is null", "key is not null", "id % 2 = 0"]))
    def somebody_deletes_turns(self, what: str) -> None:
        self.sql.rows(f"delete from turn where {what.replace('%', '%%')}")
        self.tampered = True

    @rule()
    def sweep(self) -> None:
        self.sql.value("select repaired from sweep_lanes()")
        self.tampered = False

    # After every step, and at the end.

    @invariant()
    def nothing_is_lost(self) -> None:
        rows = self.sql.rows("select id from job union all select id from job_history union all select id from dead_letter")
        assert sorted(row["id"] for row in rows) == sorted(self.ids), "a job is lost, or in two places"
        assert self.tampered or lost_lanes(self.sql) == 0, "nobody looks at a lane with ready jobs"

    @invariant()
    def a_worker_runs_one_suspect_at_a_time(self) -> None:
        suspects = "select from job where state = 'running' and rescues >= 2 group by worker_id having count(*) > 1"
        assert self.sql.rows(suspects) == []

    def _all_drains(self) -> None:
        """When time passes and what runs ends, everything has run in the end."""
        for _ in range(400):
            for row in self._running():
                self.sql.finish(row["claim_token"], {"id": row["id"], "state": "succeeded"})
            if not self.sql.rows("select from job"):
                return
            self.time_passes(500)
            self.sweep()
            look_everywhere(self.sql)
            self._claim(self.workers[0], QUEUES, 12)
        left = self.sql.rows("select id, state, queue, limits, cost from job")
        raise AssertionError(f"never started: {left}, turns {self.sql.rows('select queue, key, keys, due_at from turn')}")


@pytest.mark.parametrize("examples", [15, pytest.param(150, marks=pytest.mark.slow)])
def test_any_sequence_of_moves_keeps_every_limit_and_drains(lasting_sql: Sql, examples: int) -> None:
    number = int(os.environ.get("PGQUEUE_TEST_SEED") or random.SystemRandom().randrange(2**32))
    print(f"repeat with PGQUEUE_TEST_SEED={number}")

    @seed(number)
    def machine() -> Limits:
        return Limits(lasting_sql)

    run_state_machine_as_test(
        machine,  # type: ignore[arg-type]  # it takes any factory
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
