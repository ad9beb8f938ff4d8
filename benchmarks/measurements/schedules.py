"""Schedules: 1,000 with a tick each second, over two workers; how late they fire, and whether each tick fires exactly once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import psycopg

from benchmarks.figures import Figures
from benchmarks.run import Run

SCHEDULES = 1_000
SECONDS = 60.0
WORKERS = 2
SETTLE_SECONDS = 3
"""Between the first ticks and those that are measured."""

DRAIN_SECONDS = 60
ADD = (
    'SELECT pgqueue.set_schedule(\'s\' || n, \'{"every": 1, "misfire": "catch_up", "most": 1000, "spacing": 0,'
    ' "job": {"task": "noop", "args": {"sent_at": 0}}}\') FROM generate_series(1, %s) AS n'
)
BEGUN = "SELECT count(DISTINCT schedule) FROM pgqueue.schedule_ticks"
FIRST = "SELECT date_trunc('second', clock_timestamp()) + make_interval(secs => %s)"
ENDED = (
    "SELECT clock_timestamp() > %(end)s"
    " AND NOT EXISTS (SELECT FROM pgqueue.schedule WHERE next_tick < %(end)s OR next_tick IS NULL)"
)
PAUSE = "SELECT pgqueue.pause_schedule(name) FROM pgqueue.schedules"
FIGURES = """
    WITH made AS (
        SELECT id, created_at, terms->>'schedule' AS schedule, (terms->>'scheduled_for')::timestamptz AS tick FROM pgqueue.job
        UNION ALL
        SELECT id, created_at, terms->>'schedule', (terms->>'scheduled_for')::timestamptz FROM pgqueue.job_history
    ), jobs AS (
        SELECT * FROM made WHERE tick >= %(begin)s AND tick < %(end)s
    ), ticks AS (
        SELECT * FROM pgqueue.schedule_ticks WHERE tick >= %(begin)s AND tick < %(end)s
    )
    SELECT (SELECT count(*) FROM jobs), (SELECT count(*) FROM ticks WHERE outcome = 'fired'),
           (SELECT count(*) FROM (SELECT FROM jobs GROUP BY schedule, tick HAVING count(*) > 1) twice),
           (SELECT array_agg(extract(epoch FROM late)::float8 * 1000)
              FROM (SELECT percentile_disc(array[0.5, 0.99, 1]) WITHIN GROUP (ORDER BY fired_at - tick) AS all_of FROM ticks) p,
                   unnest(all_of) AS late),
           (SELECT array_agg(extract(epoch FROM late)::float8 * 1000)
              FROM (SELECT percentile_disc(array[0.5, 0.99, 1]) WITHIN GROUP (ORDER BY created_at - tick) AS all_of FROM jobs) p,
                   unnest(all_of) AS late)
"""


async def measure(run: Run) -> Figures:
    """All ticks of so many seconds, by the clock of the database."""
    seconds = int(run.options.seconds or SECONDS)
    several = replace(run, options=replace(run.options, processes=max(WORKERS, run.options.processes)))
    schedules = run.options.jobs or SCHEDULES
    async with run.database() as database:
        connect = psycopg.AsyncConnection.connect(run.server.url(database), autocommit=True)
        async with await connect as connection:
            await connection.execute(ADD.encode(), (schedules,))
            with several.worker(database) as worker:
                run.steps.phase("starting", schedules)
                while (begun := await _one(connection, BEGUN)) < schedules:
                    run.steps.reach(begun)
                    worker.check()
                    await asyncio.sleep(0.1)
                begin = await _one(connection, FIRST, (SETTLE_SECONDS,))
                end = await _one(connection, "SELECT %s + make_interval(secs => %s)", (begin, seconds))
                run.steps.phase("measuring", seconds)
                async with asyncio.timeout(SETTLE_SECONDS + seconds + DRAIN_SECONDS):
                    while not await _one(connection, ENDED, {"end": end}):
                        worker.check()
                        await asyncio.sleep(0.1)
                await connection.execute(PAUSE)
            cursor = await connection.execute(FIGURES.encode(), {"begin": begin, "end": end})
            (made, fired, twice, late, late_jobs), *_ = await cursor.fetchall()
    expected = schedules * seconds
    figures = {"ticks": expected, "seconds": seconds, "fired": fired, "lost": expected - fired, "twice": twice, "jobs": made}
    for name, values in (("fired", late), ("job", late_jobs)):
        figures |= {f"{name}_{point}_ms": value for point, value in zip(("p50", "p99", "max"), values, strict=True)}
    return figures


async def _one(connection: psycopg.AsyncConnection, query: str, params: Any = None) -> Any:
    cursor = await connection.execute(query.encode(), params)
    row = await cursor.fetchone()
    assert row is not None
    return row[0]
