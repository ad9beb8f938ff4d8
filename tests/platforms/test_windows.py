"""On Windows applications enqueue and wait, and a worker refuses to start in one line; nothing else is missing on import."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.looking import Look

ROOT = Path(__file__).parents[2]
EVERYWHERE = (
    "pgqueue.api.build", "pgqueue.cli.root", "pgqueue.cli.worker", "pgqueue.dashboard.build", "pgqueue.dev.session",
    "pgqueue.embedded", "pgqueue.http_worker.worker", "pgqueue.migrate", "pgqueue.testing", "pgqueue.worker", "pytest_pgqueue",
)  # fmt: skip
ENQUEUE = """
import asyncio
from pgqueue import PgQueue

app = PgQueue()

@app.task
def tell(number: int) -> None: ...

async def main():
    await tell.aenqueue(2)
    await app.aclose()

tell.enqueue(1)
asyncio.run(main())
app.close()
"""
WORK = "from pgqueue.cli import main\nmain(['worker', 'tests.apps:app', '--burst'])"
PROACTOR = """
import asyncio
from pgqueue import PgQueue

class ProactorEventLoop(asyncio.SelectorEventLoop): ...

app = PgQueue()

@app.task
def tell() -> None: ...

with asyncio.Runner(loop_factory=ProactorEventLoop) as runner:
    runner.run(tell.aenqueue())
"""


def _on_windows(code: str, url: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PGQUEUE_DATABASE_URL": url}
    command = [sys.executable, "-m", "tests.platforms.windows", code]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_everything_can_be_imported(database_url: str) -> None:
    done = _on_windows("\n".join(f"import {name}" for name in EVERYWHERE), database_url)
    assert (done.returncode, done.stderr) == (0, "")


def test_jobs_are_enqueued_in_sync_and_in_async_code(database_url: str, connection: object) -> None:
    done = _on_windows(ENQUEUE, database_url)
    assert (done.returncode, done.stderr) == (0, "")
    assert Look(connection).live() == 2  # type: ignore[arg-type]


def test_a_worker_refuses_in_one_line(database_url: str) -> None:
    done = _on_windows(WORK, database_url)
    assert done.returncode != 0
    assert "WSL" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_event_loop_that_psycopg_cannot_use_is_refused_at_once(database_url: str) -> None:
    done = _on_windows(PROACTOR, database_url)
    assert done.returncode != 0
    assert "loop_factory=asyncio.SelectorEventLoop" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("name", ["fcntl", "termios"])
def test_the_simulation_lacks_what_it_should_lack(name: str, database_url: str) -> None:
    done = _on_windows(f"import {name}", database_url)
    assert "No module named" in done.stderr
