"""Jobs that are small inside PostgreSQL and huge as text, and jobs that are large together."""

import asyncio
import os
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from pgqueue import PgQueue
from pgqueue.worker import Worker, WorkerOptions

BOMB = "select jsonb_build_object('x', array_fill(1e131071::numeric, array[{}]))"  # 131 kB of text for 10 bytes each
CLAIM_BYTES = 16 * 2**20

Connection = psycopg.Connection[Any]


def refused(connection: Connection, statement: str) -> str:
    """The message that refuses a statement."""
    with pytest.raises(psycopg.Error) as caught:
        connection.execute(statement)
    assert caught.value.sqlstate == "PQ001", caught.value
    return str(caught.value)


BOMB_ARGS = BOMB.format(120)


@pytest.mark.parametrize(
    "statement",
    [
        f"select enqueue('t', ({BOMB_ARGS}))",
        f"select enqueue('t', ({BOMB_ARGS}), unique_mode => 'until_done')",
        f"select enqueue_many('t', (select jsonb_agg(b) from ({BOMB_ARGS}) b(b)))",
        f"select * from enqueue_many((select jsonb_build_array(jsonb_build_object('task', 't', 'args', b)) "
        f"from ({BOMB_ARGS}) b(b)))",
        f"select enqueue_select('t', array(select b from ({BOMB_ARGS}) b(b)))",
        f"select * from enqueue_workflow((select jsonb_build_array(jsonb_build_object('task', 't', 'args', b)) "
        f"from ({BOMB_ARGS}) b(b)))",
        f"select set_schedule('s', (select jsonb_build_object('every', 60, 'job', jsonb_build_object('task', 't', 'args', b)) "
        f"from ({BOMB_ARGS}) b(b)))",
        "select update(enqueue('t'), (" + BOMB_ARGS + "))",
        f"select enqueue('t', limits => array['k'], fair => null, args => ({BOMB_ARGS}))",
        f"select enqueue('t', meta => ({BOMB.format(1)}))",
        f"select * from enqueue_many((select jsonb_build_array(jsonb_build_object('task', 't', 'meta', b)) "
        f"from ({BOMB.format(1)}) b(b)))",
        "select enqueue('t', retry => jsonb_build_object('backoff', 'list', 'delays', array_fill(1e-16000::numeric, array[9])))",
        f"select signal(enqueue('t'), 's', ({BOMB_ARGS}))",
    ],
)
def test_what_is_huge_as_text_is_refused_though_it_is_small_inside_postgresql(connection: Connection, statement: str) -> None:
    connection.execute("select set_limit('k', 1, '1 s')")
    assert "bytes of JSON" in refused(connection, statement)


def _claimed(connection: Connection) -> tuple[UUID, UUID]:
    worker, token = uuid4(), uuid4()
    connection.execute("select register_worker(%s, 'w', 'h', 1, '1', '{default}', 10, '1 min')", [worker])
    connection.execute("select claim(%s, %s, '{default}', 10)", [worker, token])
    return worker, token


def test_a_result_and_the_result_of_a_step_are_bounded_in_sql(connection: Connection) -> None:
    job = connection.execute("select enqueue('t')").fetchone()
    assert job is not None
    _, token = _claimed(connection)
    bomb = BOMB.format(520)  # 68 MB
    said = refused(connection, f"select save_step({job[0]}, '{token}', 's', ({bomb}))")
    assert "at most 67108864 are allowed" in said
    said = refused(connection, f"select complete({job[0]}, '{token}', ({bomb}))")
    assert f"result of job {job[0]}" in said
    assert connection.execute("select complete(%s, %s, '1')", [job[0], token]).fetchone() == (None,)


def test_the_signals_of_a_job_are_bounded_together_because_who_looks_at_it_reads_them_all(connection: Connection) -> None:
    (job,) = connection.execute("select enqueue('t')").fetchone() or (0,)
    send = f"select signal({job}, '{{}}', jsonb_build_object('x', repeat('a', 1000000)))"
    for n in range(16):
        connection.execute(send.format(n))
    assert "16777216 are allowed" in refused(connection, send.format(16))
    assert connection.execute(f"select signal({job}, 'small', '1')").fetchone() == (True,)


def test_what_a_run_says_of_itself_is_bounded(connection: Connection) -> None:
    (job,) = connection.execute("select enqueue('t')").fetchone() or (0,)
    worker, token = _claimed(connection)
    outcome = f"'id', {job}, 'token', '{token}', 'state', 'waiting', 'signal', repeat('s', 201)"
    refused(connection, f"select * from finish(jsonb_build_array(jsonb_build_object({outcome})))")
    refused(connection, f"select heartbeat('{worker}', array_fill(1::bigint, array[100001]), 'notify')")
    refused(connection, f"select heartbeat('{worker}', '{{}}', repeat('x', 101))")
    timed = "(select jsonb_agg(jsonb_build_object('seconds', 1e16000)) from generate_series(1, 1100))"
    refused(connection, f"select heartbeat('{worker}', '{{}}', 'notify', {timed})")
    refused(connection, "select declare_limit('new', jsonb_build_object('rate', 1, 'per', 1, 'x', repeat('x', 16384)))")
    once = "select enqueue_once({}, {}, {}, '[]')"
    small = ("'o'", "'k'", "'x'")
    for n, large in enumerate(("repeat('o', 201)", "repeat('k', 256)", "repeat('x', 65)::bytea")):
        given = [*small[:n], large, *small[n + 1 :]]
        refused(connection, once.format(*given))


def test_the_lines_of_one_run_do_not_stop_those_of_a_later_one(connection: Connection) -> None:
    (job,) = connection.execute("select enqueue('t')").fetchone() or (0,)
    for n in (9223372036854775807, 1):
        worker, token = _claimed(connection)
        line = f'{{"n": {n}, "level": "info", "message": "x"}}'
        call = f"""select add_log('{worker}', '[{{"id": {job}, "token": "{token}", "attempt": 1, "lines": [{line}]}}]')"""
        if n > 1:
            refused(connection, call)
        else:
            connection.execute(call)
        connection.execute("select give_back(%s, %s)", [token, [job]])
    assert connection.execute("select count(*) from job_log").fetchone() == (1,)


OPTIONS = {"lanes": ", limits => '{k}'", "gated": ", queue => 'q'", "starving": ", queue => 'aged'"}
CURSOR = '[{"queue": "default", "priority": 0, "run_at": "2000-01-01T00:00:00Z"}]'


@pytest.mark.parametrize("kind", ["plain", "cursor", "suspect", "suspect and cursor", *OPTIONS])
def test_a_claim_is_bounded_in_bytes_and_says_that_there_are_more(connection: Connection, kind: str) -> None:
    connection.execute("select set_limit('k', 1000, '1 s', burst => 1000), set_limit('queue:q', 1000, '1 s', burst => 1000)")
    if kind == "starving":
        connection.execute("select set_queue('aged', '{\"starvation_after\": 3600}')")
    text = "a" * 2**20  # compressed to some kilobytes
    connection.execute("update setting set max_args_bytes = 2 * 1048576")
    jobs = 16 if "suspect" in kind else 40  # 15 fit into a claim; the others of a suspect do
    many = "enqueue_many('t', (select jsonb_agg(jsonb_build_object('x', %s::text)) from generate_series(1, {})){})"
    connection.execute(f"select {many.format(jobs, OPTIONS.get(kind, ''))}", [text])
    if "suspect" in kind:
        connection.execute("update job set rescues = 2 where id = (select max(id) from job)")
    resume_at = CURSOR if "cursor" in kind else None
    worker = uuid4()
    sizes: list[list[int]] = []
    more: list[list[tuple[Any, ...]]] = []
    connection.execute("select register_worker(%s, 'w', 'h', 1, '1', '{default}', 10, '1 min')", [worker])
    while sum(len(claim) for claim in sizes) < jobs:
        rows = connection.execute(
            "select id, queue, octet_length(args::text), run_at <= clock_timestamp()"
            " from claim(%s, %s, '{default,q,aged}', 40, resume_at => %s)",
            [worker, uuid4(), resume_at],
        ).fetchall()
        sizes.append([size for id, _, size, _ in rows if id is not None])
        more.append([(queue, past) for id, queue, _, past in rows if id is None])
        assert sizes[-1]
    assert all(sum(claim) <= CLAIM_BYTES for claim in sizes)
    assert len(sizes) == (2 if "suspect" in kind else 3)
    assert more[:-1] == [[("!large", True)]] * (len(sizes) - 1)


def test_a_job_that_is_larger_than_a_claim_is_claimed_alone(connection: Connection) -> None:
    connection.execute("select enqueue('t', '{\"n\": 0}')")
    connection.execute(
        "insert into job (run_at, created_at, state, queue, task, args)"
        f" select now(), now(), 'ready', 'default', 't', ({BOMB_ARGS}) from generate_series(1, 3)"
    )
    connection.execute("select enqueue('t', '{\"n\": 1}')")
    worker = uuid4()
    connection.execute("select register_worker(%s, 'w', 'h', 1, '1', '{default}', 10, '1 min')", [worker])
    claims = [
        connection.execute("select count(id) from claim(%s, %s, '{default}', 40)", [worker, uuid4()]).fetchone() for _ in range(4)
    ]
    assert claims == [(2,), (1,), (2,), (0,)]


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_worker_fails_rows_that_nobody_can_hold_and_runs_the_others(app: PgQueue, connection: Connection) -> None:
    ran: list[int] = []
    most = 0

    @app.task
    def count(n: int) -> None:
        nonlocal most
        ran.append(n)
        most = max(most, _resident())

    count.enqueue(0)
    connection.execute(
        "insert into job (run_at, created_at, state, queue, task, max_attempts, args)"
        f" select now(), now(), 'ready', 'default', 'count', 1, ({BOMB.format(120)}) from generate_series(1, 20)"
    )
    count.enqueue(1)
    before = _resident()
    asyncio.run(Worker(app, WorkerOptions(burst=True, concurrency=100)).run())
    assert sorted(ran) == [0, 1]
    assert connection.execute("select count(*) from dead_letter").fetchone() == (20,)
    assert most - before < 150_000_000
