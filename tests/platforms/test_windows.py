"""On Windows applications enqueue and wait, and a worker refuses to start in one line; nothing else is missing on import."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg

from tests.looking import Look

ROOT = Path(__file__).parents[2]
EVERYWHERE = (
    "pgqueue.api.build", "pgqueue.cli.root", "pgqueue.cli.worker", "pgqueue.dashboard.build", "pgqueue.dev.session",
    "pgqueue.embedded", "pgqueue.http_worker.worker", "pgqueue.migrate", "pgqueue.testing", "pgqueue.worker", "pytest_pgqueue",
)  # fmt: skip
IMPORT = """
import importlib

for name in {names}:
    importlib.import_module(name)
for name in ("fcntl", "termios"):
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        continue
    raise AssertionError(f"the simulation has {{name}}")
from pgqueue.cli import main

main(["worker", "tests.apps:app", "--burst"])
"""
ENQUEUE = """
import asyncio
from pgqueue import PgQueue
from pgqueue.errors import ConfigurationError

app = PgQueue()

@app.task
def tell(number: int) -> None: ...

async def main():
    await tell.aenqueue(2)
    await app.aclose()

tell.enqueue(1)
asyncio.run(main())
with asyncio.Runner(loop_factory=asyncio.ProactorEventLoop) as runner:
    try:
        runner.run(tell.aenqueue(3))
    except ConfigurationError as error:
        print(error)
app.close()
"""


def _on_windows(code: str, url: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PGQUEUE_DATABASE_URL": url}
    command = [sys.executable, "-m", "tests.platforms.windows", code]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_everything_can_be_imported_and_a_worker_refuses_in_one_line(database_url: str) -> None:
    done = _on_windows(IMPORT.format(names=EVERYWHERE), database_url)
    assert done.returncode != 0
    assert "a worker does not run on Windows; run it in WSL 2" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_jobs_are_enqueued_but_not_on_an_event_loop_that_psycopg_cannot_use(
    database_url: str, connection: psycopg.Connection[Any]
) -> None:
    done = _on_windows(ENQUEUE, database_url)
    assert (done.returncode, done.stderr) == (0, "")
    assert "loop_factory=asyncio.SelectorEventLoop" in done.stdout
    assert Look(connection).live() == 2
