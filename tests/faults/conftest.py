"""Fleets of workers, an audit of what they did, a proxy that loses replies, and an install that is used in all ways."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgqueue import PgQueue, Task
from tests.cli.conftest import run_here
from tests.faults.audit import SCHEMA, Findings
from tests.faults.fleet import Fleet
from tests.faults.proxy import Proxy
from tests.faults.settings import use
from tests.looking import Look
from tests.pools.agents import Pool


@pytest.fixture
def look(connect: Callable[..., psycopg.Connection[Any]]) -> Look:
    """A look at the database beside the workers."""
    return Look(connect())


@pytest.fixture
def findings(look: Look) -> Findings:
    """The audit table, made for this test."""
    look.connection.execute(SCHEMA.encode())
    return Findings(look)


@pytest.fixture
def fleet(database_url: str, look: Look, findings: Findings, tmp_path: Path) -> Iterator[Fleet]:
    """No workers yet; those that a test starts are gone after it."""
    fleet = Fleet(database_url, look, tmp_path)
    yield fleet
    fleet.stop_all()
    for process in fleet.processes:
        print(f"--- worker {process.pid} ended with {process.returncode}\n{fleet.log(process)[-4000:]}")


@pytest.fixture
def pool(database_url: str, look: Look, findings: Findings, tmp_path: Path) -> Iterator[Pool]:
    """A pool without agents yet; those that a test starts are gone after it, with their workers."""
    pool = Pool(database_url, look, tmp_path)
    yield pool
    pool.end()


@pytest.fixture
def enqueue(app: PgQueue) -> Callable[..., list[int]]:
    """Enqueues calls of a task of tests.faults.tasks by its name."""

    def many(name: str, count: int = 1, options: dict[str, Any] | None = None, **args: Any) -> list[int]:
        task: Task[..., Any]
        if name not in app.tasks:
            app.task(name=name)(_any_arguments(args))
        task = app.tasks[name].using(**(options or {}))
        return [job.id for job in task.enqueue_many([args] * count)]

    return many


def _any_arguments(args: dict[str, Any]) -> Callable[..., None]:
    space: dict[str, Any] = {}
    exec(f"def task({', '.join(args)}): ...", space)
    task: Callable[..., None] = space["task"]
    return task


@pytest.fixture
def dice(request: pytest.FixtureRequest) -> random.Random:
    """Random numbers whose seed is printed."""
    seed = random.randrange(2**32)
    print(f"{request.node.name}: seed {seed}")
    return random.Random(seed)


@pytest.fixture
def proxy(database_url: str) -> Iterator[Proxy]:
    """A proxy before the test's database."""
    with Proxy(database_url) as proxy:
        yield proxy


@pytest.fixture
def used(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[Any]]:
    """Uses an install in all ways: an application, in its own transactions too, a worker, the command line. What was seen."""

    def use_it(url: str) -> list[Any]:
        monkeypatch.setenv("PGQUEUE_DATABASE_URL", url)
        return use(url, lambda *arguments: run_here(capsys, *arguments))

    return use_it
