"""docs/transactional-enqueue.md: what it shows of the examples is executed with them; the rest of its code is executed here."""

import asyncio
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from pgqueue import JobContext, PgQueue
from pgqueue.worker import Worker, WorkerOptions

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs/transactional-enqueue.md").read_text(), re.M | re.S)
EXAMPLES = "".join(path.read_text() for path in sorted((ROOT / "examples").glob("orders_*.py")))
SITE = (ROOT / "tests/servers/django_site/suite.py").read_text()  # which tests/servers runs


class Base(DeclarativeBase):
    """Tables of the application."""


class Order(Base):
    """A row that is in the database of the jobs."""

    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)


def _block(start: str) -> str:
    found: str
    (found,) = (block for block in BLOCKS if start in block)
    return found


@pytest.fixture
def space(app: PgQueue, connection: psycopg.Connection[Any]) -> dict[str, Any]:
    """The names that the page takes for granted."""

    @app.task
    async def welcome(user_id: int) -> None: ...

    connection.execute("create table public.users (id int, plan text); create table public.orders (id int, charged bool)")
    connection.execute("insert into public.users values (1, 'pro'), (2, 'free'); insert into public.orders values (42, false)")
    return {"queue": app, "welcome": welcome, "JobContext": JobContext, "Order": Order}


@pytest.fixture
def ours(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """The connection of the application, in a transaction."""
    with psycopg.connect(database_url) as ours:
        yield ours


def _jobs(connection: psycopg.Connection[Any]) -> list[Any]:
    return [args for (args,) in connection.execute("select args from pgqueue.jobs order by id")]


@pytest.mark.parametrize("start", ["welcome.using(connection=connection).enqueue(42)", "welcome.enqueue_select("])
def test_a_job_of_the_page_is_there_after_the_commit(
    start: str, space: dict[str, Any], ours: psycopg.Connection[Any], connection: psycopg.Connection[Any]
) -> None:
    exec(_block(start), space | {"connection": ours})
    assert _jobs(connection) == []
    ours.commit()
    assert _jobs(connection) == [{"user_id": 1 if "select" in start else 42}]


def test_a_class_of_the_application_chooses_the_connection(
    space: dict[str, Any], database_url: str, connection: psycopg.Connection[Any]
) -> None:
    engine = sa.create_engine("postgresql+psycopg://", connect_args=conninfo_to_dict(database_url))
    elsewhere = sa.create_engine("postgresql+psycopg://", connect_args={"host": "nowhere.invalid"})
    with Session(elsewhere, binds={Order: engine}) as session:
        exec(_block("bind_arguments"), space | {"session": session})
        session.commit()
    engine.dispose()
    assert _jobs(connection) == [{"user_id": 42}]


async def test_a_job_without_a_wake_up_leaves_the_transaction_as_it_can_be_prepared(
    space: dict[str, Any], database_url: str, connection: psycopg.Connection[Any]
) -> None:
    """That PostgreSQL then prepares it: tests/client/test_two_phase.py, on a server that allows it."""
    ((channel,),) = connection.execute("select pgqueue.channel()").fetchall()
    connection.execute(f"listen {channel}")
    body = textwrap.indent(_block("notify=False"), "    ")
    exec(f"async def enqueue(welcome, connection):\n{body}", space)
    async with await psycopg.AsyncConnection.connect(database_url) as ours:
        await space["enqueue"](space["welcome"], ours)
        await ours.commit()
    assert _jobs(connection) == [{"user_id": 42}]
    connection.execute("select pg_notify(%s, 'sent behind it')", [channel])
    assert [one.payload for one in connection.notifies(timeout=5, stop_after=1)] == ["sent behind it"]


def test_the_handler_of_the_page_commits_with_its_job(space: dict[str, Any], connection: psycopg.Connection[Any]) -> None:
    exec(_block("async with ctx.transaction() as tx"), space)
    job = space["charge"].enqueue(42)
    asyncio.run(Worker(space["queue"], WorkerOptions(burst=True, handle_signals=False)).run())
    assert job.result(timeout=0) == "charged"
    assert connection.execute("select charged from public.orders").fetchall() == [(True,)]


def test_the_fixture_for_django_is_the_one_that_is_executed() -> None:
    lines = [re.sub(r"DATABASE_URL|#.*", "", line).strip() for line in _block("django_db_setup").splitlines()]
    site = SITE.replace('os.environ["PGQUEUE_DATABASE_URL"]', "")
    assert not [line for line in lines if not line.startswith("def ") and line not in site]
    assert len(lines) > 5


def test_no_code_of_the_page_is_left_out() -> None:
    """What a test of another file executes names its block there."""
    tests = "".join(path.read_text() for path in sorted((ROOT / "tests/examples").glob("test_*guide*.py")))
    here = (
        "(connection=connection).enqueue(42)",
        "enqueue_select",
        "bind_arguments",
        "notify=False",
        "def charge",
        "django_db_setup",
    )
    left = [block for block in BLOCKS if block not in EXAMPLES and not any(start in block for start in here)]
    assert [block for block in left if block.splitlines()[0] not in tests] == []
