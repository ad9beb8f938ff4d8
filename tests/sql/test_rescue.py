"""rescue: jobs of a lost worker run again."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from . import guarantees
from .conftest import Sql
from .flows import node, start
from .guarantees import without_waiting
from .plan import buffers_of, kept_entries


def die(sql: Sql, worker: UUID, started: list[int]) -> int:
    """The worker reported these handlers with its last heartbeat and was lost; how many jobs were rescued."""
    sql.value("select heartbeat(%s, %s, 'notify')", worker, started)
    sql.rows("update job set claimed_at = claimed_at - interval '5 s' where worker_id = %s", worker)
    sql.lose(worker)
    # lose() moves the last heartbeat into the past: claims before it stay before it.
    sql.rows("update job set claimed_at = claimed_at - interval '1 day' where worker_id = %s", worker)
    return int(sql.value("select rescue()"))


def run_and_die(sql: Sql, id: int, started: bool = True) -> None:
    """A new worker claims what is there, starts this job perhaps, and dies."""
    sql.make_due()
    sql.value("select promote()")
    worker = sql.worker()
    sql.claim(worker)
    die(sql, worker, [id] if started else [])


def errors(sql: Sql, id: int) -> list[dict[str, Any]]:
    """The attempts that went wrong."""
    return list(sql.job(id)["errors"])


def test_a_started_job_of_a_lost_worker_runs_again_and_its_attempt_counts(sql: Sql) -> None:
    id = sql.enqueue()
    worker = sql.worker()
    sql.claim(worker)
    run_at = sql.job(id)["run_at"]

    assert die(sql, worker, [id]) == 1

    job = sql.job(id)
    assert (job["state"], job["attempt"], job["rescues"], job["run_at"], job["worker_id"]) == ("ready", 1, 1, run_at, None)
    (error,) = job["errors"]
    assert (error["type"], error["worker_id"], error["attempt"]) == ("WorkerLost", str(worker), 1)


def test_a_job_that_had_not_started_keeps_its_attempt_and_is_no_suspect(sql: Sql) -> None:
    id = sql.enqueue()

    for _ in range(5):
        run_and_die(sql, id, started=False)

    assert (sql.state(id), sql.job(id)["attempt"], sql.job(id)["rescues"]) == ("ready", 0, 0)


def test_a_job_claimed_after_the_last_heartbeat_may_have_started(sql: Sql) -> None:
    id = sql.enqueue()
    worker = sql.worker()
    sql.claim(worker)
    sql.lose(worker)

    sql.value("select rescue()")

    assert (sql.state(id), sql.job(id)["attempt"], sql.job(id)["rescues"]) == ("ready", 0, 1)


def test_jobs_of_a_worker_that_is_gone_altogether_are_rescued(sql: Sql) -> None:
    id, token = sql.running()
    sql.rows("delete from worker")

    assert sql.value("select rescue()") == 1

    assert sql.state(id) == "ready"
    assert [row["verdict"] for row in sql.finish(token, {"id": id, "state": "succeeded"})] == ["stale"]


def test_jobs_of_active_workers_are_left_alone(sql: Sql) -> None:
    id, token = sql.running()

    assert sql.value("select rescue()") == 0

    assert sql.finish(token, {"id": id, "state": "succeeded"}) == []


def test_a_late_worker_keeps_its_jobs_until_it_is_marked(sql: Sql) -> None:
    id, _ = sql.running()
    sql.rows("update worker set heartbeat_at = heartbeat_at - 2 * lease")

    assert sql.value("select rescue()") == 0

    assert sql.state(id) == "running"


def test_the_second_rescue_makes_a_suspect_that_waits_and_the_third_is_its_end(sql: Sql) -> None:
    id = sql.enqueue(retries=10)

    run_and_die(sql, id)
    first = sql.state(id), sql.job(id)["rescues"]
    run_and_die(sql, id)
    second = sql.state(id), sql.job(id)["rescues"]
    wait = sql.value("select extract(epoch from run_at - clock_timestamp()) from job")
    run_and_die(sql, id)

    job = sql.job(id)
    assert first == ("ready", 1)
    assert second == ("scheduled", 2)
    assert 0 < wait <= 2
    assert (job["state"], job["reason"], job["rescues"], job["attempt"]) == ("failed", "crashed", 3, 3)
    assert [error["type"] for error in errors(sql, id)] == ["WorkerLost"] * 3


def test_a_job_without_attempts_left_is_dead_after_its_worker_is_lost(sql: Sql) -> None:
    id = sql.enqueue(retries=0)

    run_and_die(sql, id)

    assert (sql.state(id), sql.job(id)["reason"]) == ("failed", "crashed")
    assert errors(sql, id)[0]["retry_at"] is None


def test_a_suspect_dies_alone(sql: Sql) -> None:
    poison = sql.enqueue(retries=10)
    innocent = [sql.enqueue(retries=10) for _ in range(5)]
    worker = sql.worker()
    for _ in range(2):
        sql.claim(worker)
        die(sql, worker, [poison, *innocent])
        worker = sql.worker()
        sql.make_due()
        sql.value("select promote()")

    while sql.value("select count(*) from job"):
        worker = sql.worker()
        token, (alone,) = sql.claim(worker)
        if alone["id"] == poison:
            die(sql, worker, [poison])
        else:
            sql.finish(token, {"id": alone["id"], "state": "succeeded"})

    assert (sql.state(poison), sql.job(poison)["reason"]) == ("failed", "crashed")
    assert [sql.state(id) for id in innocent] == ["succeeded"] * 5


def test_a_pass_takes_no_more_than_it_wants_and_the_next_goes_on(sql: Sql) -> None:
    ids = [sql.enqueue() for _ in range(5)]
    worker = sql.worker()
    sql.claim(worker)
    sql.lose(worker)

    assert [sql.value("select rescue(2)") for _ in range(4)] == [2, 2, 1, 0]

    assert {sql.state(id) for id in ids} == {"ready"}


def test_every_rescue_is_on_record(sql: Sql) -> None:
    again, dead = sql.enqueue(queue="a", retries=3), sql.enqueue(queue="a", retries=0)
    worker = sql.worker()
    sql.claim(worker, queues=("a",))

    die(sql, worker, [again, dead])

    log = {row["job_id"]: row for row in sql.rows("select * from rescue_log")}
    assert {id: (row["worker_id"], row["queue"], row["task"], row["crashed"]) for id, row in log.items()} == {
        again: (worker, "a", "noop", False),
        dead: (worker, "a", "noop", True),
    }


def test_rescued_jobs_wake_the_workers_of_their_queue(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    sql.running()
    sql.lose(*(row["id"] for row in sql.rows("select id from worker")))
    worker = another_sql()
    worker.listen()

    sql.value("select rescue()")

    assert worker.wakes(sql) == [sql.value("select queue from job")]


def test_500_orphans_of_which_one_cannot_be_rescued_cost_that_one_only(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    warnings: list[str] = []
    sql.connection.add_notice_handler(lambda notice: warnings.append(str(notice.message_primary)))

    guarantees.a_rescue_that_raises_stays_alone(sql, another_sql)

    left = sql.value("select id from job where state = 'running'")
    assert warnings == [f"job {left} could not be rescued: not this one"]
    sql.rows("drop trigger refuse_one on job")
    assert sql.value("select rescue()") == 1


def test_a_workflow_that_somebody_holds_keeps_its_own_jobs_waiting_and_no_others(
    sql: Sql, another_sql: Callable[[], Sql]
) -> None:
    """So many nodes that waiting for each would take longer than the test allows."""
    held, other = (start(sql, *(node(str(n), retries=0) for n in range(count))) for count in (150, 1))
    user = another_sql()
    plain = sql.enqueue(retries=0)
    worker, ids = sql.worker(), [*held.jobs.values(), *other.jobs.values(), plain]
    sql.claim(worker, 1000)

    with user.connection.transaction():
        user.rows("select from workflow where id = %s for update", held.id)
        with without_waiting(sql):
            assert die(sql, worker, ids) == 2
        assert (sql.state(plain), other.status, held.status) == ("failed", "failed", "running")

    assert sql.value("select rescue()") == 150
    assert (held.status, held.progress()["failed"]) == ("failed", 150)


@pytest.mark.parametrize("verb", ["complete(%s, %s)", "fail(%s, %s, '{}')", "snooze(%s, %s, 60)"])
def test_a_stale_owner_changes_nothing_and_the_new_owner_finishes(sql: Sql, verb: str) -> None:
    id, stale = sql.running()
    lost = sql.job(id)["worker_id"]
    sql.lose(lost)
    sql.value("select rescue()")
    token, _ = sql.claim(sql.worker(), queues=(sql.job(id)["queue"],))
    before = sql.rows("select * from job")

    assert sql.value(f"select {verb}", id, stale) == "stale"
    assert sql.rows("select give_back(%s, %s)", stale, [id]) == []
    assert sql.rows("select reconcile(%s, '{}', '0 s')", lost) == []
    assert sql.rows("select retire_worker(%s)", lost) == []
    assert sql.refusal("select heartbeat(%s, '{}', 'notify')", lost).sqlstate == "PQ002"
    assert sql.rows("select * from job") == before

    assert sql.value("""select complete(%s, %s, '"mine"')""", id, token) is None
    assert sql.value("select value from job_result where job_id = %s", id) == "mine"


def test_jobs_of_a_worker_that_is_gone_are_found_between_those_that_are_there(sql: Sql) -> None:
    ids = [sql.enqueue() for _ in range(7)]
    workers = sorted(sql.worker() for _ in range(7))
    for worker in workers:
        sql.claim(worker, 1)
    gone = [workers[n] for n in (0, 2, 3, 6)]  # before all others, two beside each other, behind all others
    orphans = [row["id"] for row in sql.rows("select id from job where worker_id = any (%s) order by id", gone)]
    sql.rows("delete from worker where id = any (%s)", gone)

    assert sql.value("select rescue(whole => false)") == 0
    assert sql.value("select rescue()") == len(gone)

    assert [id for id in ids if sql.state(id) == "ready"] == orphans


def test_a_look_that_is_not_whole_takes_the_jobs_of_workers_that_were_lost_lately(sql: Sql) -> None:
    ids = [sql.enqueue(), sql.enqueue()]
    workers = [sql.worker(), sql.worker()]
    for worker, silent in zip(workers, ("4 minutes", "6 minutes"), strict=True):
        sql.claim(worker, 1)
        sql.rows(
            "update worker set state = 'lost', heartbeat_at = clock_timestamp() - lease - %s::interval where id = %s",
            silent,
            worker,
        )

    assert sql.value("select rescue(whole => false)") == 1
    assert [sql.state(id) for id in ids] == ["ready", "running"]
    assert sql.value("select rescue()") == 1


def test_a_rescue_does_not_walk_what_a_snapshot_keeps_of_jobs_that_living_workers_have_ended(
    sql: Sql, another_sql: Callable[[], Sql]
) -> None:
    worker = kept_entries(sql, another_sql, 20_000)
    assert buffers_of(sql, "select rescue()") < 100

    sql.rows("delete from worker where id = %s", worker)
    assert buffers_of(sql, "select rescue()") > 200
    assert buffers_of(sql, "select rescue(whole => false)") < 100
