"""What must hold between two connections, as plain functions: true of our SQL (test_races), false of each mutant (test_mutants).

Each raises an AssertionError where its guarantee is broken. A statement that waits where it must not is broken off.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from .background import Background
from .conftest import Sql

OpenSql = Callable[[], Sql]
PATIENCE = "4s"  # much longer than any of these statements takes on a busy machine, shorter than our lock_timeout


@contextmanager
def without_waiting(sql: Sql) -> Iterator[None]:
    """The block's statements wait for no lock of another transaction."""
    sql.rows(f"set statement_timeout = '{PATIENCE}'")
    try:
        yield
    except (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable) as error:
        raise AssertionError(f"a statement waited for somebody else's lock: {error}") from error
    finally:
        sql.rows("reset statement_timeout")


def many(sql: Sql, count: int, **options: Any) -> list[int]:
    """So many new jobs."""
    named = "".join(f", {name} => %s" for name in options)
    args = "(select jsonb_agg('{}'::jsonb) from generate_series(1, %s))"
    return list(sql.value(f"select enqueue_many('noop', {args}{named})", count, *options.values()))


def stale_owner_cannot_finish(sql: Sql, open_sql: OpenSql) -> None:
    """A's job is rescued and claimed by B: whatever A hands in changes nothing, and B's finish stands."""
    id = sql.enqueue(retries=9)
    lost = sql.worker()
    stale, _ = sql.claim(lost)
    sql.lose(lost)
    sql.value("select rescue()")
    token, _ = sql.claim(sql.worker())
    before = sql.rows("select * from jobs")

    for outcome in ("succeeded", "cancelled", "failed", "snoozed", "unknown_task"):
        verdicts = [row["verdict"] for row in sql.finish(stale, {"id": id, "state": outcome})]
        assert verdicts == ["stale"], f"a stale owner's {outcome} was answered {verdicts}"
        assert sql.rows("select * from jobs") == before, f"a stale owner's {outcome} changed the job"

    assert sql.finish(token, {"id": id, "state": "succeeded"}) == [], "the owner could not finish its job"


def stale_owner_cannot_give_back(sql: Sql, open_sql: OpenSql) -> None:
    """A's job was given back and claimed by B: A cannot give it back again."""
    id = sql.enqueue()
    stale, _ = sql.claim(sql.worker())
    sql.rows("select give_back(%s, %s)", stale, [id])
    sql.claim(sql.worker())

    assert sql.rows("select give_back(%s, %s)", stale, [id]) == []

    assert sql.state(id) == "running"


def one_locked_job_stalls_only_itself(sql: Sql, open_sql: OpenSql, outcome: str = "succeeded") -> None:
    """A user's transaction holds one of 1,000 running jobs: the other 999 finish, that one is busy and finishes later."""
    ids = many(sql, 1000)
    token, _ = sql.claim(sql.worker(), 1000)
    user = open_sql()
    held = ids[500]

    with user.connection.transaction():
        user.rows("select from job where id = %s for update", held)
        with without_waiting(sql):
            verdicts = sql.finish(token, *({"id": id, "state": outcome} for id in ids))
        left = [row["id"] for row in sql.rows("select id from job where claim_token = %s", token)]

    assert [row["job_id"] for row in verdicts if row["verdict"] == "busy"] == [held]
    assert left == [held], f"{len(left)} jobs are left"
    assert "busy" not in {row["verdict"] for row in sql.finish(token, {"id": held, "state": outcome})}


def one_locked_job_stalls_only_itself_when_all_fail(sql: Sql, open_sql: OpenSql) -> None:
    """The same for jobs that failed."""
    one_locked_job_stalls_only_itself(sql, open_sql, "failed")


def two_claimers_share_the_jobs(sql: Sql, open_sql: OpenSql) -> None:
    """A claim that has not committed holds up no other, and no job is claimed twice."""
    ids = many(sql, 100)
    one, two = sql.worker(), sql.worker()
    other = open_sql()

    with other.connection.transaction():
        _, first = other.claim(one, 60)
        with without_waiting(sql):
            _, second = sql.claim(two, 60)

    assert [row["id"] for row in first] == ids[:60]
    assert [row["id"] for row in second] == ids[60:]


def two_claimers_share_the_jobs_of_a_cursor(sql: Sql, open_sql: OpenSql) -> None:
    """The same for claims that resume at a run_at."""
    ids = many(sql, 100)
    one, two = sql.worker(), sql.worker()
    other = open_sql()
    cursor = '[{"queue": "default", "priority": 0, "run_at": "2020-01-01"}]'

    with other.connection.transaction():
        _, first = other.claim(one, 60, resume_at=cursor)
        with without_waiting(sql):
            _, second = sql.claim(two, 60, resume_at=cursor)

    assert [row["id"] for row in [*first, *second]] == ids


def two_claimers_share_the_suspects(sql: Sql, open_sql: OpenSql) -> None:
    """The same for suspects, of which each worker takes one."""
    ids = many(sql, 3)
    sql.rows("update job set rescues = 2")
    one, two = sql.worker(), sql.worker()
    other = open_sql()

    with other.connection.transaction():
        _, first = other.claim(one)
        with without_waiting(sql):
            _, second = sql.claim(two)

    assert {len(first), len(second)} == {1}, "a worker took several suspects"
    assert first[0]["id"] != second[0]["id"]
    assert sql.claim(one)[1] == [], "a worker took a second suspect beside its first"
    assert sql.value("select count(*) from job where state = 'ready' and id = any (%s)", ids) == 1


def two_promoters_share_the_jobs(sql: Sql, open_sql: OpenSql) -> None:
    """A promote that has not committed holds up no other, and each job is promoted once."""
    many(sql, 100, run_after="1 h")
    sql.make_due()
    other = open_sql()

    with other.connection.transaction():
        first = other.value("select promoted from promote(60)")
        with without_waiting(sql):
            second = sql.value("select promoted from promote(60)")

    assert (first, second) == (60, 40)
    assert sql.value("select count(*) from job where state = 'ready'") == 100


def two_rescuers_rescue_once(sql: Sql, open_sql: OpenSql) -> None:
    """A rescue that has not committed holds up no other, and each job is rescued once.

    So many jobs that waiting as long as a rescue waits for a lock would be too long for all of them.
    """
    many(sql, 100)
    lost = sql.worker()
    sql.claim(lost, 100)
    sql.lose(lost)
    other = open_sql()

    with other.connection.transaction():
        first = other.value("select rescue(96)")
        with without_waiting(sql):
            second = sql.value("select rescue()")

    assert (first, second) == (96, 4)
    assert sql.value("select count(*) from rescue_log") == 100
    assert sql.rows("select distinct rescues from job") == [{"rescues": 1}]


def a_rescue_that_raises_stays_alone(sql: Sql, open_sql: OpenSql) -> None:
    """500 orphans, one of which cannot be rescued: 499 are rescued by the same call."""
    ids = many(sql, 500)
    lost = sql.worker()
    sql.claim(lost, 500)
    sql.lose(lost)
    sql.rows(
        f"""create function refuse_one() returns trigger language plpgsql as
            $$begin if new.id = {ids[249]} then raise 'not this one'; end if; return new; end$$"""
    )
    sql.rows("create trigger refuse_one before update on job for each row execute function refuse_one()")

    try:
        rescued = sql.value("select rescue()")
    except psycopg.Error as error:
        raise AssertionError(f"one job stopped the rescue of all: {error}") from error

    assert rescued == 499
    assert sql.rows("select id from job where state = 'running'") == [{"id": ids[249]}]


def a_lost_worker_claims_nothing(sql: Sql, open_sql: OpenSql) -> None:
    """From mark_lost on, claim and heartbeat by this worker are refused."""
    sql.enqueue()
    lost = sql.worker()
    sql.lose(lost)

    for verb in ("claim(%s, gen_random_uuid(), '{default}', 1)", "heartbeat(%s, '{}', 'notify')"):
        codes = []
        try:
            sql.value(f"select count(*) from {verb}", lost)
        except psycopg.Error as error:
            codes.append(error.sqlstate)
        assert codes == ["PQ002"], f"a lost worker was allowed {verb}"

    assert sql.value("select state from job") == "ready"


def jobs_start_by_priority(sql: Sql, open_sql: OpenSql) -> None:
    """Priority descending, then run_at, then id."""
    sql.rows(
        """insert into job (run_at, created_at, state, priority, task, args_bytes)
           select clock_timestamp() - make_interval(secs => n %% 7), clock_timestamp(), 'ready', n %% 5 - 2, 'noop', null
             from generate_series(1, 200) n"""
    )
    expected = [row["id"] for row in sql.rows("select id from job order by priority desc, run_at, id")]
    worker = sql.worker()

    assert [row["id"] for _ in range(4) for row in sql.claim(worker, 50)[1]] == expected


def a_claim_frees_the_key(sql: Sql, open_sql: OpenSql) -> None:
    """Of mode until_started: from the claim on there may be another one."""
    id = sql.enqueue(unique_mode="until_started")
    sql.claim(sql.worker())

    assert sql.enqueue(unique_mode="until_started") != id


def a_running_job_keeps_its_key(sql: Sql, open_sql: OpenSql) -> None:
    """Of mode until_done: there is no other one beside it."""
    id = sql.enqueue(unique_mode="until_done")
    sql.claim(sql.worker())

    assert sql.enqueue(unique_mode="until_done") == id


def replace_leaves_a_running_job_alone(sql: Sql, open_sql: OpenSql) -> None:
    """Whatever holds the key: what has started is not changed."""
    id = sql.enqueue(unique_mode="until_done", unique_key="k")
    sql.claim(sql.worker())
    before = sql.job(id)

    try:
        sql.enqueue(args={"n": 2}, unique_mode="replace", unique_key="k")
    except psycopg.Error as error:
        raise AssertionError(f"replace raised: {error}") from error

    assert sql.job(id) == before


def a_duplicate_never_raises(sql: Sql, open_sql: OpenSql) -> None:
    """Neither for enqueue nor for a retry of a dead letter: there is one live job with the key, and its id is the answer."""
    dead, token = sql.running(unique_mode="until_done", retries=0)
    sql.finish(token, {"id": dead, "state": "failed"})
    with sql.connection.transaction():
        live = sql.enqueue(unique_mode="until_done")
        try:
            with sql.connection.transaction():
                answers = [sql.enqueue(unique_mode="until_done"), sql.value("select id from retry(%s)", dead)]
        except psycopg.Error as error:
            raise AssertionError(f"a duplicate raised: {error}") from error

    assert answers == [live, live]
    assert (sql.state(dead), sql.value("select count(*) from job")) == ("failed", 1)


def keys_are_taken_in_one_order(sql: Sql, open_sql: OpenSql, call: str, elements: list[Any]) -> list[list[dict[str, Any]]]:
    """Two sessions add the same unique jobs in opposite orders, and a third holds one of the keys until both wait."""
    middle = json.dumps([elements[len(elements) // 2]])
    holder = open_sql()
    with holder.connection.transaction(force_rollback=True):
        holder.rows(call, middle)
        calls = []
        for ordered in (elements, elements[::-1]):
            calls.append(Background(open_sql(), call, json.dumps(ordered)))
            calls[-1].wait_until_blocked(sql)
    answers, errors = [], []
    for waiting in calls:  # both, to their ends: nobody may close a connection under a statement that still runs
        try:
            answers.append(waiting.rows())
        except (psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled) as error:
            errors.append(error)
    if errors:
        raise AssertionError(f"two calls with the same keys waited for each other: {errors}") from errors[0]
    return answers


ENQUEUE_JOBS = "select * from enqueue_many(%s)"
ENQUEUE_SELECT = (
    """select enqueue_select('noop', array(select jsonb_array_elements(%s::jsonb)), unique_mode => 'until_done') as added"""
)


def enqueue_many_takes_keys_in_order(sql: Sql, open_sql: OpenSql) -> None:
    """Jobs of one task that differ in their arguments."""
    jobs = [{"task": "noop", "args": {"n": n}, "unique_mode": "until_done"} for n in range(100)]
    first, second = keys_are_taken_in_one_order(sql, open_sql, ENQUEUE_JOBS, jobs)

    assert [row["id"] for row in first] == [row["id"] for row in second[::-1]]
    assert sorted(row["duplicate"] for row in (*first, *second)) == 100 * [False] + 100 * [True]


def enqueue_many_takes_keys_of_jobs_without_arguments_in_order(sql: Sql, open_sql: OpenSql) -> None:
    """Jobs that differ in their tasks alone."""
    jobs = [{"task": f"task {n}", "unique_mode": "until_done"} for n in range(20)]
    first, second = keys_are_taken_in_one_order(sql, open_sql, ENQUEUE_JOBS, jobs)

    assert [row["id"] for row in first] == [row["id"] for row in second[::-1]]


def enqueue_select_takes_keys_in_order(sql: Sql, open_sql: OpenSql) -> None:
    """The rows of two queries with opposite orders."""
    rows = keys_are_taken_in_one_order(sql, open_sql, ENQUEUE_SELECT, [{"n": n} for n in range(100)])

    assert sorted(row["added"] for (row,) in rows) == [0, 100]


def pruning_leaves_a_key_that_is_taken_again(sql: Sql, open_sql: OpenSql) -> None:
    """A period is over and a new one begins while maintenance deletes: it neither waits for the new one nor loses it."""
    period: dict[str, Any] = {"unique_mode": "period", "unique_period": "1 h"}
    sql.enqueue(**period)
    sql.rows("update unique_hold set expires_at = clock_timestamp() - interval '1 s'")
    other = open_sql()

    with other.connection.transaction():
        second = other.enqueue(**period)
        with without_waiting(sql):
            sql.value("select prune(7)")

    assert sql.enqueue(**period) == second


def a_promoted_job_is_due(sql: Sql, open_sql: OpenSql) -> None:
    """Nothing runs before its time."""
    id = sql.enqueue(run_after="1 h")

    sql.value("select promote()")

    assert sql.state(id) == "scheduled"
