"""The version before is measured with its own SQL and Python, from a folder that is gone afterwards."""

import asyncio
from pathlib import Path

import psycopg
import pytest

from benchmarks.errors import Unavailable
from benchmarks.machine import ROOT, commit
from benchmarks.options import Handler
from benchmarks.systems.before import Before, checked_out
from benchmarks.worker import Worker

pytestmark = pytest.mark.skipif(commit("HEAD") is None, reason="the checkout has no git")


async def _enqueue(before: Before, url: str) -> None:
    await before.install(url)
    async with before.producer(url) as producer:
        await producer.enqueue_many(2)
        await producer.enqueue(0.0)


async def _work(before: Before, url: str) -> object:
    """The version that the worker says it has."""
    with Worker(before.commands(url, 1, Handler.ASYNC)) as worker:
        await worker.wait_for(3, seconds=20)
        return _one(url, "SELECT version FROM pgqueue.worker")


def _one(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
        return row and row[0]


def _append(path: Path, text: str) -> None:
    assert path.exists()
    with path.open("a") as file:
        file.write(text)


def test_it_installs_enqueues_and_works_by_its_own_files(empty_database_url: str) -> None:
    with checked_out("HEAD") as before:
        folder = Path(before.commands("", 1, Handler.ASYNC)[0].environment["PYTHONPATH"])
        assert folder != ROOT
        _append(folder / "pgqueue/version.py", '__version__ = "of before"\n')
        _append(folder / "sql/tables/jobs.sql", "comment on table job is 'of before';\n")
        asyncio.run(_enqueue(before, empty_database_url))
        assert _one(empty_database_url, "SELECT count(*) FROM pgqueue.job") == 3
        assert _one(empty_database_url, "SELECT obj_description('pgqueue.job'::regclass)") == "of before"
        assert asyncio.run(_work(before, empty_database_url)) == "of before"
    assert not folder.exists()


def test_what_is_no_commit_is_refused() -> None:
    with (
        pytest.raises(Unavailable, match="'no-such-ref' is no commit of .*; give a branch, a tag or a hash"),
        checked_out("no-such-ref"),
    ):
        pass
