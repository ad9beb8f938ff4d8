"""Everything that an application and its operators do, and what they see of it; times, ids of processes and durations aside."""

import asyncio
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from pgqueue import Job, JobContext, PgQueue, RetryIn, Unique, chain
from pgqueue.worker import Worker, WorkerOptions

Command = Callable[..., Any]
_TIME = re.compile(r'"?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(?P<offset>[^"]*)"?')
_SAID = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC( \([^)]*\))?")  # a time in a sentence, and how far it is
_VARY = r"elapsed|duration|age|took|oldest|host|pid|worker_id|traceback|\w*_seconds|tokens|used|remaining|burst_used"
_VARIES = re.compile(rf'"({_VARY})": ("[^"]*"|[\d.e-]+)')
COMMANDS = ("jobs", "dead", "stats", "workers", "workflows", "limits")


def _scrubbed(text: str) -> str:
    assert {found["offset"] for found in _TIME.finditer(text)} <= {"+00:00"}, f"a time that is not in UTC: {text}"
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "uuid", _VARIES.sub(r'"\1": varies', _TIME.sub("time", _SAID.sub("time", text))))


def use(url: str, command: Command) -> list[Any]:
    """Use all of it on a fresh install; what was seen. `command` runs one of the command line."""
    app = PgQueue(url, lease=2)

    @app.task(limits=["tenant:{n}"], cost=2)
    def third(n: float) -> dict[str, Any]:
        return {"text": "Ωμέγα", "third": n / 3}

    @app.task(retry=0)
    async def fail(why: str) -> None:
        raise ValueError(why)

    @app.task
    async def told(ctx: JobContext, n: int) -> Any:
        await ctx.aprogress(0.1 + 0.2, 1, "so far")
        if ctx.attempt == 1:
            return RetryIn(timedelta(days=1))
        return str(ctx.created_at.tzinfo), ctx.run_at > ctx.created_at

    @app.task
    async def commits(ctx: JobContext) -> None:
        async with ctx.transaction() as tx:
            await tx.connection.execute("create table if not exists public.written (n pg_catalog.int4)")
            tx.result = [0.1, "Ω"]

    @app.task(unique=Unique("period", key="user {n}", period=timedelta(days=2)))
    def once(n: int) -> int:
        return n

    app.limits.set("tenant", rate=1000.5, per=timedelta(hours=1), burst=10, max_running=3)
    app.limits.park("tenant:9", timedelta(days=1, seconds=0.25))
    jobs: list[Job[Any]] = [third.enqueue(1), fail.enqueue("Ω's end"), told.enqueue(1), commits.enqueue()]
    jobs += [once.enqueue(5), once.enqueue(5)]
    waits = once.using(
        run_after=timedelta(days=3, hours=4, seconds=1.5), result_ttl=timedelta(hours=30), meta={"a": [1.5]}
    ).enqueue(6)
    at = once.using(run_at=datetime(2100, 3, 1, 2, 3, 4, 567, UTC)).enqueue(7)
    at.update(run_after=timedelta(days=40))
    seen: list[Any] = [job.duplicate for job in jobs]
    seen.append(once.enqueue_select("select 8 as n"))
    flow = chain(third.s(2), told.si(2)).enqueue()
    with psycopg.connect(url) as connection:
        connection.read_only = False
        third.using(connection=connection).enqueue(3)
        once.using(connection=connection).enqueue_many([(9,), (9,)])
        once.using(connection=connection).enqueue_select("select 10 as n")
        chain(third.s(4), once.si(11)).enqueue(connection=connection)
    asyncio.run(_work(app))
    seen += [jobs[0].result(5), jobs[3].result(5), jobs[4].result(5), jobs[0].has_result(), app.retry(jobs[1].id).id]
    seen.append(jobs[0].extend_result(timedelta(days=2)) - datetime.now(UTC) > timedelta(days=1))
    app.cancel(waits.id)
    seen += [sorted(job.id for job in app.as_completed([jobs[0], waits], timeout=5)), flow.refresh().counts]
    for name in COMMANDS:
        seen.append(_scrubbed(command(name, "--json").out))
    for job in (jobs[0], jobs[1], jobs[2], waits, at):
        seen.append(_scrubbed(command("job", job.id, "--json").out))
    seen.append(_scrubbed(command("workflow", flow.id, "--json").out))
    seen.append(command("enqueue", "third", json.dumps({"n": 12})).code)
    seen.append(command("retry", jobs[2].id).code)
    seen.append(command("cancel", at.id).code)
    app.limits.set("tenant", max_running=0)
    app.close()
    return seen


async def _work(app: PgQueue) -> None:
    async with asyncio.timeout(60):
        await Worker(app, WorkerOptions(burst=True, handle_signals=False)).run()
    await app.aclose()
