"""scaling_hint, load_of: how many workers the work of a pool needs."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.postgres import new_database

from .conftest import Sql
from .plan import buffers_of, plans_of
from .pool_steps import make_pool, worker


def hint(sql: Sql, name: str = "mail") -> int:
    return int(sql.value("select scaling_hint(%s)", name))


def pool_of(sql: Sql, queues: tuple[str, ...] = ("mail",), **values: Any) -> None:
    make_pool(sql, queues=list(queues), **{"concurrency": 10, "minimum": 0, "maximum": 50} | values)


def fill(sql: Sql, jobs: int, queue: str = "mail", task: str = "noop", **options: Any) -> None:
    for _ in range(jobs):
        sql.enqueue(task, queue=queue, **options)


def test_ready_and_running_jobs_count_by_the_concurrency_of_a_worker(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    pool_of(sql)
    assert hint(sql) == 0

    fill(sql, 11)
    fill(sql, 40, queue="other")
    sql.enqueue(queue="mail", run_after="1 h")
    assert hint(sql) == 2

    own = worker(sql, 1, queues=("mail",))
    sql.claim(own, 10, ("mail",))
    assert hint(sql) == 2
    fill(sql, 10)
    assert hint(sql) == 3


def test_a_worker_outside_of_pools_counts_if_it_serves_nothing_but_its_queues(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    pool_of(sql, ("mail=3", "post"))
    for queues in (("mail",), ("post", "mail"), ("mail", "other")):
        fill(sql, 10)
        sql.claim(sql.worker(queues=queues), 10, ("mail",))

    assert hint(sql) == 2


@pytest.mark.parametrize("change", ["draining = true", "told = 'drain'"])
def test_what_runs_in_a_worker_that_ends_does_not_count(rolled_back_sql: Sql, change: str) -> None:
    sql = rolled_back_sql
    pool_of(sql)
    fill(sql, 10)
    sql.claim(worker(sql, 1, queues=("mail",)), 10, ("mail",))
    assert hint(sql) == 1

    sql.connection.execute(f"update worker set {change}".encode())
    assert hint(sql) == 0


@pytest.mark.parametrize("state", ["active", "lost"])
def test_what_a_dead_worker_has_left_behind_needs_one(rolled_back_sql: Sql, state: str) -> None:
    """Somebody must rescue it: without a worker it would stay as it is."""
    sql = rolled_back_sql
    pool_of(sql)
    fill(sql, 10)
    sql.claim(worker(sql, 1, queues=("mail",)), 10, ("mail",))
    sql.rows("update worker set heartbeat_at = heartbeat_at - 2 * lease, state = %s returning id", state)

    assert hint(sql) == 1


def test_a_pool_without_workers_needs_one_when_a_time_has_come(rolled_back_sql: Sql) -> None:
    """Workers promote jobs and fire schedules: without one nothing would ever be ready."""
    sql = rolled_back_sql
    pool_of(sql)
    fill(sql, 11, run_after="1 h")
    sql.value("""select set_schedule('tick', '{"every": 60, "job": {"task": "noop", "queue": "mail"}}')""")
    sql.rows("update schedule set look_at = clock_timestamp() + interval '1 h' returning name")
    assert hint(sql) == 0

    sql.rows("update schedule set look_at = clock_timestamp() - interval '1 s' returning name")
    assert hint(sql) == 1
    sql.make_due()
    assert hint(sql) == 2
    sql.value("select pause('queue', 'mail')")
    assert hint(sql) == 0


def test_a_pool_without_queues_has_those_of_its_workers(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    pool_of(sql, (), minimum=1)
    fill(sql, 11)
    assert hint(sql) == 0

    worker(sql, 1, queues=("mail",))
    assert hint(sql) == 2


@pytest.mark.parametrize(
    "pause", ["pause('queue', 'mail')", "pause('everything')", "pause('task', 'noop')", "pause_pool('mail')"]
)
def test_what_is_paused_needs_no_worker(rolled_back_sql: Sql, pause: str) -> None:
    sql = rolled_back_sql
    pool_of(sql)
    fill(sql, 11)
    sql.value(f"select {pause}")

    assert hint(sql) == 0


def test_a_job_that_no_worker_of_the_pool_knows_needs_none_of_them(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    pool_of(sql)
    fill(sql, 21, task="new")
    assert hint(sql) == 3

    own = worker(sql, 1, queues=("mail",))
    sql.rows("update worker set tasks = '{noop}' where id = %s returning id", own)
    assert hint(sql) == 0
    fill(sql, 1)
    assert hint(sql) == 1
    sql.rows("update worker set tasks = null where id = %s returning id", own)
    assert hint(sql) == 3


def test_jobs_with_limits_count_as_far_as_they_can_run_at_once(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    pool_of(sql)
    sql.value("select set_limit('few', max_running => 3)")
    sql.value("select set_limit('slow', 60, '1 minute')")
    sql.value("select set_limit('none', max_running => 100)")
    fill(sql, 40, limits=["few"])
    fill(sql, 40, limits=["slow"])
    assert sql.value("select ready from pool p, load_of(p, 1000)") == 4
    fill(sql, 40, limits=["none"])
    assert sql.value("select ready from pool p, load_of(p, 1000)") == 44

    sql.value("select park('none', clock_timestamp() + interval '1 h')")
    own = worker(sql, 1, queues=("mail",))
    for _ in range(3):
        sql.claim(own, 10, ("mail",))
    assert sql.rows("select running, ready from pool p, load_of(p, 1000)") == [{"running": 4, "ready": 0}]


def test_a_job_that_may_kill_its_worker_needs_one(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    pool_of(sql)
    fill(sql, 3)
    sql.rows("update job set rescues = 2 returning id")
    assert hint(sql) == 1


def test_no_more_than_its_maximum(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    pool_of(sql, maximum=2)
    fill(sql, 40)

    assert hint(sql) == 2


def test_a_pool_that_is_not_there_is_named(rolled_back_sql: Sql) -> None:
    refused = rolled_back_sql.refusal("select scaling_hint('nail')")

    assert (refused.sqlstate, refused.diag.message_primary) == ("PQ003", "name: there is no pool 'nail'; there are: none")


MANY = 60_000


@pytest.fixture(scope="module", params=["empty", "full"])
def full(request: pytest.FixtureRequest, server_url: str, template: str) -> Iterator[Sql]:
    """Many jobs are ready, scheduled and running; `empty`: the statistics are from before."""
    with (
        new_database(server_url, template) as url,
        psycopg.connect(url, options="-c search_path=pgqueue", autocommit=True) as connection,
    ):
        sql = Sql(connection)
        sql.rows("alter table job set (autovacuum_enabled = false)")
        sql.rows("analyze")
        pool_of(sql, concurrency=100)
        sql.rows("set pgqueue.notify = off")
        sql.rows(
            """insert into job (args_bytes, run_at, created_at, state, task, queue, priority)
               select null, clock_timestamp(), clock_timestamp(), (array['ready', 'scheduled'])[1 + mod(n, 2)]::job_state, 'noop',
                      (array['mail', 'other'])[1 + mod(n / 2, 2)], mod(n, 7)
                 from generate_series(1, %s) n""",
            MANY,
        )
        own = worker(sql, 1, queues=("mail",))
        sql.rows("update worker set tasks = '{noop}' where id = %s returning id", own)
        sql.claim(own, 100, ("mail",))
        if request.param == "full":
            sql.rows("vacuum analyze job")
        yield sql


def test_the_hint_reads_no_more_with_many_jobs(full: Sql) -> None:
    plans = plans_of(full, "select scaling_hint('mail')")

    assert full.value("select scaling_hint('mail')") == 50
    assert {"job_ready", "job_running"} <= plans.indexes(full.connection)
    with full.connection.transaction():
        full.value("select scaling_hint('mail')")
        assert full.value("select pg_stat_get_xact_numscans('job'::regclass)") == 0  # of the table itself
    assert buffers_of(full, "select scaling_hint('mail')") < 6000  # 5,000 jobs and its catalogs


def test_figures_read_no_more_with_many_jobs(full: Sql) -> None:
    query = "select scaling_figures(p, scaling_rules('{}'), clock_timestamp()) from pool p"
    figures = full.value(query)

    assert (figures["running"], figures["ready"]) == (100, 4901)
    assert buffers_of(full, query) < 6500


def test_beyond_that_what_was_counted_last_is_the_depth(full: Sql) -> None:
    with full.connection.transaction(force_rollback=True):
        full.rows("""insert into depth_sample (part, counted_at, took, fresh_until)
                     select p, clock_timestamp(), '1 s', clock_timestamp() + interval '1 min'
                       from unnest('{active,waiting}'::text[]) p returning part""")
        full.rows("""insert into depth (part, counted_at, jobs, no_worker_for_task, state, priority, queue)
                     select part, counted_at, 5000000, 0, s::job_state, 0, q
                       from depth_sample, unnest('{ready,running}'::text[]) s, unnest('{mail,other}'::text[]) q
                      where part = 'active' returning part""")
        figures = full.value("select scaling_figures(p, scaling_rules('{}'), clock_timestamp()) from pool p")

    assert figures["ready"] == 5_000_000


@pytest.mark.alone
def test_the_hint_takes_less_than_5_ms(full: Sql) -> None:
    took = []
    for _ in range(9):
        (explained,) = full.value("explain (analyze, format json) select scaling_hint('mail')")
        took.append(explained["Execution Time"])

    assert sorted(took)[4] < 5
