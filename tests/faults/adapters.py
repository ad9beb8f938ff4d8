"""`python -m tests.faults.adapters before|after`: every call of an application that changes psycopg's adapters for itself.

It registers them before pgqueue is imported, or after, and prints what it saw.
"""

import asyncio
import json
import sys
import uuid
from datetime import datetime, timedelta
from typing import Any

import psycopg
import sqlalchemy
from psycopg.adapt import Buffer, Loader
from psycopg.pq import Format
from psycopg.types.json import JsonbBinaryDumper, JsonbDumper


class _Text(Loader):
    """What the application wants to see of all that it reads."""

    def load(self, data: Buffer) -> str:
        return f"theirs {bytes(data)!r}"


class _Binary(_Text):
    format = Format.BINARY


class _NumberText(Loader):
    """Numbers as texts."""

    def load(self, data: Buffer) -> str:
        return bytes(data).decode()


class _NumberBinary(_NumberText):
    format = Format.BINARY

    def load(self, data: Buffer) -> str:
        return str(int.from_bytes(bytes(data), "big", signed=True))


def register() -> None:
    """What applications register, all at once."""
    for kind in (list, dict, tuple, uuid.UUID, datetime, timedelta):
        psycopg.adapters.register_dumper(kind, JsonbBinaryDumper)
        psycopg.adapters.register_dumper(kind, JsonbDumper)
    for name in ("json", "jsonb", "float4", "float8", "bool", "text", "uuid", "timestamptz", "interval"):
        psycopg.adapters.register_loader(name, _Text)
        psycopg.adapters.register_loader(name, _Binary)
    for name in ("int2", "int4", "int8"):
        psycopg.adapters.register_loader(name, _NumberText)
        psycopg.adapters.register_loader(name, _NumberBinary)


def main(when: str) -> None:
    if when == "before":
        register()
    from pgqueue import JobContext, PgQueue, chain
    from pgqueue.worker import Worker, WorkerOptions

    if when == "after":
        register()
    app = PgQueue()

    @app.task
    async def double(n: int) -> int:
        return 2 * n

    @app.task(unique="until_done", max_running=2)
    def one(n: int, seen: Any = None) -> Any:
        return {"n": n}

    @app.task
    async def writes(ctx: JobContext) -> None:
        async with ctx.transaction() as tx:
            async for (one,) in await tx.connection.execute("select 1::int8"):
                tx.result = one

    @app.task
    def tells(ctx: JobContext) -> list[Any]:
        ctx.progress(1, 2)
        return [type(ctx.run_at).__name__, ctx.attempt]

    jobs: list[Any] = [double.enqueue(1), *double.enqueue_many([(2,), (3,)]), one.enqueue(4), writes.enqueue(), tells.enqueue()]
    app.limits.set("openai", rate=60, per="m")
    added = double.enqueue_select("select g::int as n from generate_series(1, %(many)s::text::int) g", {"many": 2})
    with psycopg.connect(app.url) as connection:
        jobs += [double.using(connection=connection).enqueue(5), *double.using(connection=connection).enqueue_many([(6,)])]
        jobs.append(one.using(connection=connection).enqueue(4))
        flow = chain(double.s(7), double.s()).enqueue(connection=connection)
        added += double.using(connection=connection).enqueue_select("select 8 as n")
    engine = sqlalchemy.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(app.url))
    with engine.begin() as theirs:
        jobs += [double.using(connection=theirs).enqueue(9), *double.using(connection=theirs).enqueue_many([(10,)])]
        jobs.append(one.using(connection=theirs).enqueue(4))
        flow = chain(double.s(7), double.s()).enqueue(connection=theirs)
        added += double.using(connection=theirs).enqueue_select("select 8 as n")
    engine.dispose()
    assert isinstance(one.find_duplicate(4).id, int), "a job's id is a number"  # type: ignore[union-attr]

    async def work() -> list[Any]:
        await Worker(app, WorkerOptions(burst=True, handle_signals=False)).run()
        seen = [await job.aresult(5) for job in jobs]
        await app.aclose()
        return seen

    results = asyncio.run(work())
    job = jobs[0].refresh()
    assert isinstance(job.row["created_at"], datetime)
    assert isinstance(job.duration, timedelta)
    assert len(list(app.as_completed(jobs, timeout=5))) == len({job.id for job in jobs})
    print(json.dumps([results, flow.result(5), added, job.status, job.row["args"], app.limits.get("openai").rate]))
    app.close()


if __name__ == "__main__":
    main(sys.argv[1])
