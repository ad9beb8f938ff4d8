"""What each worker asks again and again costs what it finds, not what is there."""

from collections.abc import Callable
from uuid import UUID

import pytest

from .conftest import Sql
from .limit_steps import set_limit
from .plan import buffers_of, plans_of

JOBS = 5_000
FEW = 100  # pages; a look at all jobs takes thousands
RUNNING = """
    insert into job (run_at, created_at, state, attempt, task, worker_id, claim_token, claimed_at)
    select clock_timestamp(), clock_timestamp(), 'running', 1, 'noop', %s, md5('token' || n / 100)::uuid,
           clock_timestamp() - interval '1 h' from generate_series(1, %s) n
"""


def running(sql: Sql, worker: UUID, count: int = JOBS) -> list[int]:
    """So many jobs that run under a worker."""
    sql.rows(RUNNING, worker, count)
    return [row["id"] for row in sql.rows("select id from job where worker_id = %s", worker)]


@pytest.mark.parametrize("analyzed", [False, True])
def test_rescue_does_not_read_the_jobs_of_workers_that_are_alive(sql: Sql, analyzed: bool) -> None:
    lost = sql.worker()
    for _ in range(4):
        running(sql, sql.worker())
    running(sql, lost, 3)
    if analyzed:
        sql.rows("analyze job")

    assert buffers_of(sql, "select rescue()") < FEW

    sql.lose(lost)
    assert buffers_of(sql, "select rescue()") < 3 * FEW
    assert sql.value("select count(*) from job where state = 'ready'") == 3


def test_rescue_takes_the_jobs_of_several_lost_workers_up_to_its_limit(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    workers = [sql.worker() for _ in range(3)]
    for worker in workers:
        running(sql, worker, 4)
    sql.lose(*workers[:2])
    sql.rows("delete from worker where id = %s", workers[1])

    assert [sql.value("select rescue(3)") for _ in range(4)] == [3, 3, 2, 0]


def test_reconcile_compares_what_a_worker_holds_by_hash(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    worker = sql.worker()
    ids = running(sql, worker)

    plans = plans_of(another_sql(), "select reconcile(%s, %s)", worker, ids[1:])

    assert plans.nodes("HASHJOIN"), "one by one these would be 12 million comparisons"
    assert sql.rows("select id from job where state = 'ready'") == [{"id": ids[0]}]


def test_has_work_looks_at_one_job_of_each_lane(sql: Sql) -> None:
    set_limit(sql, "api", rate=1)
    sql.rows(
        """select enqueue_many('noop', (select jsonb_agg('{}'::jsonb) from generate_series(1, %s)), queue => 'limited',
                               limits => '{api}')""",
        JOBS,
    )

    assert buffers_of(sql, "select has_work('{default}')") < FEW
    assert sql.value("select has_work('{default}')") is False
    assert sql.value("select has_work('{limited}')") is True


def test_prune_finds_by_key_what_it_deletes_by_plans_from_when_its_tables_were_empty(sql: Sql) -> None:
    for table in ("job_result", "unique_hold"):
        sql.rows(f"alter table {table} set (autovacuum_enabled = false)")
        sql.rows(f"analyze {table}")
    for _ in range(8):  # so often that PostgreSQL keeps the plans
        sql.value("select prune(7)")
    sql.rows("insert into job_result select n, '1', clock_timestamp() - interval '1 h' from generate_series(1, 1000) n")
    sql.rows("insert into unique_hold select int4send(n), n, clock_timestamp() - interval '1 h' from generate_series(1, 1000) n")

    with sql.connection.transaction():
        sql.value("select prune(7)")
        scans = sql.rows(
            "select seq_scan, n_tup_del from pg_stat_xact_user_tables where relname in ('job_result', 'unique_hold')"
        )

    assert scans == [{"seq_scan": 0, "n_tup_del": 1000}] * 2


def test_doctor_does_not_read_all_jobs_to_see_whether_one_waits(rolled_back_sql: Sql) -> None:
    """Without a worker, and with ten million jobs for tomorrow, it took longer than a check may."""
    sql = rolled_back_sql
    sql.rows(
        "insert into job (run_at, created_at, state, attempt, task) select now() + interval '1 d', now(), 'scheduled', 0, 'noop' "
        "from generate_series(1, 60000)"
    )
    sql.rows("select * from diagnose_workers()")
    assert buffers_of(sql, "select * from diagnose_workers()") < 6 * FEW  # mostly of the catalog; the jobs have 1,000
