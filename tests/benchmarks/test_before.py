"""The version before is measured with its own SQL and Python, from a folder that is gone afterwards."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from benchmarks.errors import Unavailable
from benchmarks.machine import ROOT, commit
from benchmarks.options import Handler
from benchmarks.systems.before import Before, checked_out

pytestmark = pytest.mark.skipif(commit("HEAD") is None, reason="the checkout has no git")


@pytest.fixture(scope="module")
def before() -> Iterator[Before]:
    """The commit of this checkout, with a version and a comment that this checkout does not have."""
    with checked_out("HEAD") as before:
        folder = _folder(before)
        assert folder != ROOT
        _append(folder / "pgqueue/version.py", '__version__ = "of before"\nif __name__ == "__main__":\n    print(__version__)\n')
        _append(folder / "sql/tables/jobs.sql", "comment on table job is 'of before';\n")
        yield before
    assert not folder.exists()


def _folder(before: Before) -> Path:
    return Path(before.commands("", 1, Handler.ASYNC)[0].environment["PYTHONPATH"])


def _append(path: Path, text: str) -> None:
    assert path.exists()
    with path.open("a") as file:
        file.write(text)


def _one(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
        return row and row[0]


def test_a_worker_of_it_imports_its_own_files_wherever_it_is_started(before: Before) -> None:
    command = before.commands("", 1, Handler.ASYNC)[0]
    assert list(command.arguments[:3]) == [sys.executable, "-m", "pgqueue.worker"]
    arguments = [sys.executable, "-m", "pgqueue.version"]
    done = subprocess.run(arguments, cwd=ROOT, env={**os.environ, **command.environment}, capture_output=True, text=True)
    assert done.stdout == "of before\n", done.stderr


def test_it_installs_its_own_sql_and_enqueues_by_a_process_of_its_own(before: Before, empty_database_url: str) -> None:
    asyncio.run(_install_and_enqueue(before, empty_database_url))
    assert _one(empty_database_url, "SELECT count(*) FROM pgqueue.job") == 3
    assert _one(empty_database_url, "SELECT obj_description('pgqueue.job'::regclass)") == "of before"


async def _install_and_enqueue(before: Before, url: str) -> None:
    await before.install(url)
    async with before.producer(url) as producer:
        await producer.enqueue_many(2)
        await producer.enqueue(0.0)


def test_what_is_no_commit_is_refused() -> None:
    said = r"'no-such-ref' is no commit of .*; give a branch, a tag or a hash"
    with pytest.raises(Unavailable, match=said), checked_out("no-such-ref"):
        pass
