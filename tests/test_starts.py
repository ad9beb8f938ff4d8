"""What a start imports, because each process of a fleet and each command pays for it.

A module that is not listed here came in by accident. To see who imports it: `python -X importtime -m pgqueue --help`.
"""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

import pgqueue
from pgqueue import public

CHECKOUT = Path(__file__).parents[1]
# What takes more than some milliseconds, and what only some commands, tasks or extras need.
BIG = {
    "alembic", "asyncio", "croniter", "django", "fastapi", "httpx", "jinja2", "limits", "multiprocessing", "opentelemetry",
    "pebble", "prometheus_client", "psutil", "psycopg", "psycopg_pool", "pydantic", "pydantic_settings", "rich", "sqlalchemy",
    "starlette", "typer", "uvicorn", "watchfiles",
    "pgqueue.api", "pgqueue.app", "pgqueue.dashboard", "pgqueue.dev", "pgqueue.migrate", "pgqueue.registry",
    "pgqueue.supervisor.supervise", "pgqueue.worker.spawned",
}  # fmt: skip
DRIVER = {"asyncio", "psycopg", "psycopg_pool"}
SETTINGS = {"pydantic", "pydantic_settings"}
APP = DRIVER | SETTINGS | {"pgqueue.app", "pgqueue.registry"}
LOOKS = """
import gc, sys
looks = []
gc.callbacks.append(lambda phase, info: looks.append(info["generation"]))
from pgqueue.cli.root import LISTED, load
started = len(looks)
load(LISTED["stats"])
print(len(looks) - started, gc.isenabled())
"""
TELL = "; import sys; sys.stderr.write(' '.join(sys.modules))"
TASKS = """
import sys
from pgqueue import PgQueue
app = PgQueue()

@app.task
async def tell() -> str:
    return " ".join(sys.modules)
"""


def big(text: str) -> set[str]:
    """Those of the modules in a text that are big."""
    return BIG & set(text.split())


def loaded(code: str, **environment: str) -> set[str]:
    """The big modules that are there when this code has run in a process of its own."""
    command = [sys.executable, "-c", f"{code}{TELL}"]
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)} | environment
    return big(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stderr)


def command(*words: str) -> str:
    """Code that runs a command, and goes on."""
    return f"import contextlib, pgqueue.cli\nwith contextlib.suppress(SystemExit): pgqueue.cli.main({list(words)})\npass"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import pgqueue", set()),
        ("from pgqueue import logs", {*SETTINGS, *DRIVER, "pgqueue.registry"}),  # and nothing else of the package
        ("from pgqueue import PgQueue; PgQueue()", APP),
        (command("--version"), {"typer"}),
        (command("--help"), {"typer", "rich"}),
    ],
)
def test_a_start_loads_only_what_it_needs(code: str, expected: set[str]) -> None:
    assert loaded(code) == expected


def test_a_command_that_reads_makes_no_app(database_url: str) -> None:
    there = loaded(command("stats"), PGQUEUE_DATABASE_URL=database_url)
    assert there == DRIVER | SETTINGS | {"typer", "rich"}


def test_the_modules_of_a_command_are_not_searched_for_garbage_while_they_load() -> None:
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    ran = subprocess.run([sys.executable, "-c", LOOKS], capture_output=True, text=True, check=True, env=environment)
    assert ran.stdout.split() == ["0", "True"]


@pytest.mark.alone
@pytest.mark.parametrize(("word", "most"), [("--help", 0.25), ("stats", 0.4)])
def test_a_command_starts_quickly(database_url: str, word: str, most: float) -> None:
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT), "PGQUEUE_DATABASE_URL": database_url}
    took = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "pgqueue", word], check=True, stdout=subprocess.DEVNULL, env=environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(took) < most, f"seconds of the processor: {took}"


def test_a_worker_loads_only_what_it_needs_until_its_first_job(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "telling.py").write_text(TASKS)
    told = f"{command('worker', 'telling', '--burst')}\nprint('result', telling.app.job(job.id).result(timeout=5))"
    start = "import sys; sys.path.insert(0, '.'); import telling; job = telling.tell.enqueue()"
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT), "PGQUEUE_DATABASE_URL": database_url}
    ran = subprocess.run(
        [sys.executable, "-c", f"{start}\n{told}"], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    (modules,) = [line for line in ran.stdout.splitlines() if line.startswith("result ")]
    assert big(modules) - {"psutil"} == APP | {"typer"}  # the heartbeats load psutil, in their own thread


def test_the_names_of_the_package_are_those_of_its_public_module() -> None:
    assert pgqueue.__all__ is public.__all__
    assert set(public.__all__) <= set(dir(pgqueue))
    assert {name for name in public.__all__ if getattr(pgqueue, name) is not getattr(public, name)} == set()


@pytest.mark.parametrize("name", ["nothing", "PgQueu", "__path_of_nothing__"])
def test_other_names_are_refused_as_by_any_module(name: str) -> None:
    with pytest.raises(AttributeError, match=f"module 'pgqueue' has no attribute '{name}'"):
        getattr(pgqueue, name)
