"""Random sequences of SQL functions against the model, with every invariant looked at after each step.

One connection, one transaction an example, rolled back. Time travels by ageing rows. PGQUEUE_TEST_SEED repeats a run.
"""

import os
import random
import uuid
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from .conftest import Sql
from .model import LIVE, Job, Model, Worker

QUEUES = ["a", "b"]
OUTCOMES = ["succeeded", "cancelled", "failed", "failed_for_good", "snoozed", "unknown_task"]
MODES = ["until_done", "until_started", "replace"]
LATER = '{"backoff": "fixed", "delay": 7200, "jitter": false}'


class Queue(RuleBasedStateMachine):
    """The SQL functions and the model side by side."""

    def __init__(self, sql: Sql) -> None:
        super().__init__()
        self.sql = sql
        self.model = Model()
        self.claims: list[tuple[UUID, list[int]]] = []
        self.transaction = sql.connection.transaction(force_rollback=True)
        self.transaction.__enter__()

    def teardown(self) -> None:
        self.transaction.__exit__(None, None, None)

    def _adopt(self, id: int) -> Job:
        """A job that the database has just made."""
        row = self.sql.job(id)
        names = ("id", "queue", "priority", "max_attempts", "state", "run_at", "retry_of")
        job = self.model.jobs[id] = Job(**{name: row[name] for name in names})
        return job

    def _any_job(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from(list(self.model.jobs)), label="job")

    def _active(self) -> list[UUID]:
        return [worker.id for worker in self.model.workers.values() if worker.active]

    def _any_claim(self, data: st.DataObject) -> tuple[UUID, list[int]]:
        live = {job.token for job in self.model.running()}
        fresh = [claim for claim in self.claims if claim[0] in live]
        stale = not fresh or data.draw(st.booleans(), label="perhaps stale")
        return data.draw(st.sampled_from(self.claims if stale else fresh), label="claim")

    def _any_worker(self, data: st.DataObject) -> UUID:
        return data.draw(st.sampled_from(list(self.model.workers)), label="worker")

    @initialize()
    def begin(self) -> None:
        for _ in range(2):
            self.register()
            self.enqueue_many("a", 3)
        self._claim(self._active()[0], QUEUES, 3)

    # Producers.

    @rule(queue=st.sampled_from(QUEUES), priority=st.integers(-2, 2), retries=st.sampled_from([0, 1, 5]), later=st.booleans())
    def enqueue(self, queue: str, priority: int, retries: int, later: bool) -> None:
        run_after = "2 h" if later else None
        job = self._adopt(self.sql.enqueue(queue=queue, priority=priority, retries=retries, run_after=run_after, retry=LATER))
        assert (job.state, job.max_attempts) == ("scheduled" if later else "ready", retries + 1)

    @rule(queue=st.sampled_from(QUEUES), count=st.integers(1, 5))
    def enqueue_many(self, queue: str, count: int) -> None:
        args = "(select jsonb_agg('{}'::jsonb) from generate_series(1, %s))"
        for id in self.sql.value(f"select enqueue_many('noop', {args}, %s, retry => %s)", count, queue, LATER):
            self._adopt(id)

    @rule(
        mode=st.sampled_from(MODES),
        key=st.sampled_from(["x", "y"]),
        priority=st.integers(-2, 2),
        retries=st.sampled_from([0, 5]),
        later=st.booleans(),
    )
    def enqueue_unique(self, mode: str, key: str, priority: int, retries: int, later: bool) -> None:
        holder = self.model.holder(key)
        times = {"run_after": "2 h" if later else None, "priority": priority, "retries": retries, "retry": LATER}
        id = self.sql.enqueue(queue=QUEUES[0], unique_mode=mode, unique_key=key, **times)  # type: ignore[arg-type]
        if holder is None:
            job = self._adopt(id)
            job.key, job.mode = key, mode
            return
        assert id == holder.id
        if mode == "replace" and holder.state != "running":
            holder.state, holder.priority = "scheduled" if later else "ready", priority

    # Workers.

    @rule()
    def register(self) -> None:
        worker = self.sql.worker()
        self.model.workers[worker] = Worker(worker)

    @precondition(lambda self: any(not worker.active for worker in self.model.workers.values()))
    @rule()
    def lost_workers_are_refused(self) -> None:
        for worker in [worker for worker in self.model.workers.values() if not worker.active]:
            assert self.sql.refusal("select * from claim(%s, %s, '{a}', 1)", worker.id, uuid.uuid4()).sqlstate == "PQ002"
            assert self.sql.refusal("select heartbeat(%s, '{}', 'notify')", worker.id).sqlstate == "PQ002"
            if not self.model.running(worker.id):
                self.sql.rows("select retire_worker(%s)", worker.id)
                del self.model.workers[worker.id]

    @precondition(lambda self: self._active())
    @rule(data=st.data(), queues=st.permutations(QUEUES), want=st.integers(0, 6))
    def claim(self, data: st.DataObject, queues: list[str], want: int) -> None:
        self._claim(data.draw(st.sampled_from(self._active()), label="worker"), queues, want)

    def _claim(self, worker: UUID, queues: list[str], want: int) -> None:
        token, rows = self.sql.claim(worker, want, tuple(queues))
        assert [row["id"] for row in rows] == self.model.claim(worker, token, queues, want)
        if rows:
            self.claims.append((token, [row["id"] for row in rows]))

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        token, ids = self._any_claim(data)
        chosen = data.draw(st.dictionaries(st.sampled_from(ids), st.sampled_from(OUTCOMES), min_size=1), label="outcomes")
        delay = data.draw(st.sampled_from([0, 7200]), label="delay")
        outcomes = [
            {"id": id, "state": outcome.removesuffix("_for_good"), "final": outcome.endswith("_for_good"), "delay": delay}
            for id, outcome in chosen.items()
        ]

        verdicts = {row["job_id"]: row["verdict"] for row in self.sql.finish(token, *outcomes)}

        expected = {id: self.model.finish(id, token, outcome, delay) for id, outcome in chosen.items()}
        assert verdicts == {id: verdict for id, verdict in expected.items() if verdict}

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        token, ids = self._any_claim(data)
        chosen = data.draw(st.lists(st.sampled_from(ids), unique=True), label="jobs")

        given = [row["id"] for row in self.sql.rows("select give_back(%s, %s::bigint[]) as id", token, chosen)]

        held = [job for job in self.model.running() if job.token == token and job.id in chosen]
        assert sorted(given) == sorted(self.model.give_back(held))

    @precondition(lambda self: self.model.workers)
    @rule(data=st.data(), retire=st.booleans())
    def reconcile_or_retire(self, data: st.DataObject, retire: bool) -> None:
        worker = self._any_worker(data)
        running = self.model.running(worker)
        known = [] if retire else [job.id for job in running if data.draw(st.booleans(), label=f"knows {job.id}")]
        if retire:
            rows = self.sql.rows("select retire_worker(%s) as id", worker)
            del self.model.workers[worker]
        else:
            rows = self.sql.rows("select reconcile(%s, %s::bigint[], '0 s') as id", worker, known)
        lost = self.model.give_back([job for job in running if job.id not in known])
        assert sorted(row["id"] for row in rows) == sorted(lost)

    @precondition(lambda self: self._active())
    @rule(data=st.data())
    def heartbeat(self, data: st.DataObject) -> None:
        worker = self.model.workers[data.draw(st.sampled_from(self._active()), label="worker")]
        self._heartbeat(data, worker)

    def _heartbeat(self, data: st.DataObject, worker: Worker) -> None:
        running = self.model.running(worker.id)
        started = {job.id for job in running if data.draw(st.booleans(), label=f"started {job.id}")}
        self.sql.rows("update job set claimed_at = claimed_at - interval '10 s' where worker_id = %s", worker.id)
        active = self.sql.value("select workers from heartbeat(%s, %s::bigint[], 'notify')", worker.id, sorted(started))
        worker.started = started
        for job in running:
            job.young = False
        assert active == sum(w.active for w in self.model.workers.values())

    @precondition(lambda self: self._active())
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        self._lose(data.draw(st.sampled_from(self._active()), label="worker"))

    def _lose(self, worker: UUID) -> None:
        self.sql.rows("update job set claimed_at = claimed_at - interval '60 s' where worker_id = %s", worker)
        self.sql.lose(worker)
        self.model.workers[worker].active = False

    @rule()
    def rescue(self) -> None:
        assert self.sql.value("select rescue()") == self.model.rescue()

    @rule(data=st.data(), told=st.booleans(), times=st.integers(1, 3))
    def crash(self, data: st.DataObject, told: bool, times: int) -> None:
        """Workers that hold all there is die one after another: a short way to suspects and their end."""
        for _ in range(times):
            self.register()
            worker = self._active()[-1]
            self._claim(worker, QUEUES, 100)
            if told:
                self._heartbeat(data, self.model.workers[worker])
            self._lose(worker)
            self.rescue()
            self.the_database_is_as_the_model_says()
            self.all_waiting_is_over()
            self.the_database_is_as_the_model_says()

    # Time and people.

    @rule()
    def hours_pass(self) -> None:
        self.sql.rows(
            "update job set run_at = clock_timestamp() - interval '1 day' - id * interval '1 s' where state = 'scheduled'"
        )

    @rule()
    def all_waiting_is_over(self) -> None:
        self.hours_pass()
        self.promote(1000)

    @rule(want=st.integers(1, 3))
    def promote(self, want: int) -> None:
        due = self.sql.rows(
            "select id from job where state = 'scheduled' and run_at < clock_timestamp() order by run_at, id limit %s", want
        )
        assert self.sql.value("select promoted from promote(%s)", want) == len(due)
        for row in due:
            self.model.jobs[row["id"]].state = "ready"

    @precondition(lambda self: self.model.jobs)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        job = self.model.jobs[self._any_job(data)]
        if job.state in LIVE:
            assert self.sql.value("select cancel(%s)", job.id) == ("asked" if job.state == "running" else "cancelled")
            self.model.cancel(job)
        else:
            assert self.sql.refusal("select cancel(%s)", job.id).sqlstate == "PQ004"

    @precondition(lambda self: self.model.running())
    @rule(data=st.data())
    def cancel_by_force(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(self.model.running()), label="job")
        assert self.sql.value("select cancel(%s, force => true)", job.id) == "fenced"
        job.leave("cancelled")

    @precondition(lambda self: self.model.jobs)
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        job = self.model.jobs[self._any_job(data)]
        if job.state in ("ready", "running"):
            assert self.sql.refusal("select id from retry(%s)", job.id).sqlstate == "PQ004"
            return
        holder = self.model.holder(job.key) if job.state != "scheduled" else None
        again = self.sql.value("select id from retry(%s, force => true)", job.id)  # it may have come back often
        if holder:
            assert again == holder.id
            return
        if job.state in ("succeeded", "cancelled"):
            new = self._adopt(again)
            assert new.retry_of == job.id
            new.key, new.mode = job.key, job.mode
            return
        assert again == job.id
        if job.state == "failed":
            job.attempt = job.rescues = 0
            job.is_asked = False
        job.leave("ready")

    @precondition(lambda self: self.model.jobs)
    @rule(data=st.data(), priority=st.integers(-2, 2), run_after=st.sampled_from([None, "0 s", "2 h"]))
    def update(self, data: st.DataObject, priority: int, run_after: str | None) -> None:
        job = self.model.jobs[self._any_job(data)]
        if job.state not in ("scheduled", "ready"):
            assert self.sql.refusal("select update(%s)", job.id).sqlstate == "PQ004"
            return
        self.sql.value("select update(%s, priority => %s, run_after => %s)", job.id, priority, run_after)
        job.priority = priority
        if run_after:
            job.state = "ready" if run_after == "0 s" else "scheduled"

    # After every step.

    @invariant()
    def the_database_is_as_the_model_says(self) -> None:
        self.sql.rows(  # a wait is over only when hours_pass says so, however long an example takes
            """update job set run_at = clock_timestamp() + interval '2 h'
                where state = 'scheduled'
                  and run_at between clock_timestamp() - interval '1 h' and clock_timestamp() + interval '1 h'"""
        )
        rows = self.sql.rows(
            " union all ".join(
                f"""select id, state, attempt, rescues, jsonb_array_length(coalesce(errors, '[]')) as error_count, retry_of,
                           worker_id, {token} as claim_token, run_at, unique_key is not null as has_key from {table}"""
                for table, token in (("job", "claim_token"), ("job_history", "null"), ("dead_letter", "null"))
            )
        )
        assert len(rows) == len(self.model.jobs), "a job is lost, or in two places"
        asked = {row["id"] for row in self.sql.rows("select id from job where control ? 'cancel'")}
        assert asked == {job.id for job in self.model.running() if job.is_asked}, "what was asked to stop waits, or was forgotten"
        for row in rows:
            job = self.model.jobs[row["id"]]
            assert self._facts(row, job.state in LIVE) == self._expected(job)
            assert (job.state == "running") == (row["claim_token"] is not None)
            job.run_at = row["run_at"]

    @staticmethod
    def _facts(row: dict[str, Any], live: bool) -> tuple[Any, ...]:
        owner = (row["worker_id"], row["claim_token"]) if live else (None, None)
        return row["state"], row["attempt"], row["rescues"], min(row["error_count"], 20), row["retry_of"], row["has_key"], *owner

    @staticmethod
    def _expected(job: Job) -> tuple[Any, ...]:
        return job.state, job.attempt, job.rescues, min(job.errors, 20), job.retry_of, job.key is not None, job.worker, job.token


@pytest.mark.parametrize("examples", [40, pytest.param(400, marks=pytest.mark.slow)])
def test_any_sequence_of_verbs_does_what_the_model_says(lasting_sql: Sql, examples: int) -> None:
    number = int(os.environ.get("PGQUEUE_TEST_SEED") or random.SystemRandom().randrange(2**32))
    print(f"repeat with PGQUEUE_TEST_SEED={number}")

    @seed(number)
    def machine() -> Queue:
        return Queue(lasting_sql)

    run_state_machine_as_test(
        machine,  # type: ignore[arg-type]  # it takes any factory
        settings=settings(
            max_examples=examples,
            stateful_step_count=60,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
