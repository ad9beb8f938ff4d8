"""The code of docs/transactional-enqueue.md about sessions of an ORM does what it says."""

import asyncio
from collections.abc import AsyncIterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy.ext.asyncio import async_scoped_session, async_sessionmaker
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from pgqueue import JobContext, PgQueue
from pgqueue.worker import Worker, WorkerOptions
from tests.looking import Look
from tests.worker.givens import async_engine, engine

GUIDE = (Path(__file__).parents[2] / "docs/transactional-enqueue.md").read_text()
BLOCKS = [part.partition("```")[0] for part in GUIDE.partition("### With an ORM")[2].split("```python\n")[1:]]


class Base(DeclarativeBase):
    """The tables of the application."""


class Order(Base):
    """An order."""

    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    charged: Mapped[bool]


async def _work(app: PgQueue, **options: Any) -> None:
    await Worker(app, WorkerOptions(burst=True, handle_signals=False, **options)).run()


async def test_the_handlers_of_the_guide_charge_and_end_together(
    app: PgQueue, database_url: str, connection: psycopg.Connection[Any]
) -> None:
    connection.execute("create table public.orders (id bigint primary key, charged boolean)")
    connection.execute("insert into public.orders values (1, false), (2, false)")

    @app.task
    def receipt(order_id: int) -> None: ...

    space: dict[str, Any] = {
        **{"queue": app, "JobContext": JobContext, "Order": Order, "Session": Session, "receipt": receipt},
        **{"sessions": async_sessionmaker(async_engine(database_url)), "engine": engine(database_url)},
    }
    for block in BLOCKS[:2]:
        exec(block, space)
    jobs = [space["charge"].enqueue(1), space["charge_in_thread"].enqueue(2)]
    await _work(app)
    await app.aclose()
    look = Look(connection)
    assert look.value("select bool_and(charged) from public.orders")
    assert [look.state(job.id) for job in jobs] == ["succeeded"] * 2
    assert look.value("select count(*) from jobs where task = 'receipt' and state = 'succeeded'") == 1


async def test_a_session_of_the_current_task_is_handed_to_the_next_job(app: PgQueue, database_url: str) -> None:
    """What the guide warns of: a task of asyncio runs many handlers, and nothing of a task ends with a handler."""
    sessions = async_scoped_session(async_sessionmaker(async_engine(database_url)), scopefunc=asyncio.current_task)
    seen: list[object] = []

    @app.task
    async def look_at_it() -> None:
        seen.append(sessions())

    look_at_it.enqueue_many([(), ()])
    await _work(app, concurrency=1)
    await app.aclose()
    assert seen[0] is seen[1]


@pytest.mark.parametrize("is_async", [True, False], ids=["async", "thread"])
async def test_with_the_middleware_of_the_guide_each_job_has_its_own(app: PgQueue, database_url: str, is_async: bool) -> None:
    space: dict[str, Any] = {
        **{"ContextVar": ContextVar, "AsyncIterator": AsyncIterator, "JobContext": JobContext, "queue": app},
        **{"async_scoped_session": async_scoped_session, "sessions": async_sessionmaker(async_engine(database_url))},
    }
    (block,) = (one for one in BLOCKS if one.startswith('job_id: ContextVar[int | None] = ContextVar("job_id", default=None)'))
    exec(block, space)
    seen: list[object] = []

    async def in_loop() -> None:
        seen.append(space["session"]())
        assert await asyncio.create_task(_session_of(space)) is seen[-1]

    def in_thread() -> None:
        seen.append(space["session"]())

    task: Any = app.task(name="look_at_it")(in_loop if is_async else in_thread)
    task.enqueue_many([(), ()])
    await _work(app, concurrency=1)
    await app.aclose()
    assert len(seen) == 2
    assert seen[0] is not seen[1]
    assert not space["session"].registry.registry


async def _session_of(space: dict[str, Any]) -> object:
    return space["session"]()
