"""The README does what it says: its commands, its code, and the line of each ability."""

import asyncio
import importlib
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg
import pytest

from pgqueue import PgQueue, chain
from pgqueue.cli import main
from pgqueue.testing import adrain, drain
from pgqueue.worker import Worker, WorkerOptions

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(?:python|sh)\n(.*?)^```$", TEXT, re.M | re.S)
FIRST, COMMANDS, USE, CHARGE, LOOK = BLOCKS
MORE = re.findall(r"^\| \[.*?\]\(\S+\) \| `(.*?)` \| ", TEXT, re.M)
INTERNAL_VIEWS = {"api_keys", "ending_job", "fresh_sample", "job_kept", "last_hour", "new_job"}


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The directory of a user who has copied the first block."""
    (tmp_path / "jobs.py").write_text(FIRST)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("jobs", None)
    yield tmp_path
    if "jobs" in sys.modules:
        sys.modules.pop("jobs").app.close()


def _commands(block: str) -> list[list[str]]:
    return [words for line in block.splitlines() if (words := shlex.split(line, comments=True)) and words[0] == "pgqueue"]


def _run(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        main(words[1:])
    said = capsys.readouterr()
    assert ended.value.code == 0 or words[1] == "doctor", (words, said.err)  # it finds that a test server has fsync off
    return said.out


def _work(app: PgQueue) -> None:
    asyncio.run(Worker(app, WorkerOptions(burst=True, handle_signals=False)).run())
    app._frozen = False


def _import(name: str) -> ModuleType:
    return importlib.import_module(name)


def test_the_first_job_runs_as_the_readme_says(
    jobs: Path, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PGQUEUE_DATABASE_URL", database_url)
    migrate, enqueue, worker, look = _commands(COMMANDS)
    _run(migrate, capsys)
    assert _run(enqueue, capsys) == "job 1\n"
    done = subprocess.run([sys.executable, "-m", *worker], capture_output=True, text=True)  # its log and its signals are its own
    assert done.returncode == 0, done.stderr
    said = COMMANDS.rpartition("its result: ")[2].strip()
    assert said == "welcome, user 42 (attempt 1)"
    assert said in _run(look, capsys)


def test_the_code_of_the_readme_runs(
    jobs: Path, database_url: str, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGQUEUE_DATABASE_URL", database_url)
    connection.execute("create table public.users (id int); create table public.orders (id int, charged bool)")
    connection.execute("insert into public.orders values (1, false)")
    space: dict[str, Any] = {}
    before, waits, after = USE.partition("job.result(")
    exec(before, space)
    _work(_import("jobs").app)
    exec(waits + after, space)
    exec(CHARGE, space | {"JobContext": _import("jobs").JobContext})
    _import("jobs").app.tasks["charge"].enqueue(1)
    _work(_import("jobs").app)

    assert space["job"].result(timeout=0) == "welcome, user 42 (attempt 1)"
    assert connection.execute("select id from public.users").fetchall() == [(42,)]
    assert connection.execute("select charged from public.orders").fetchall() == [(True,)]
    assert connection.execute("select state::text, count(*) from pgqueue.jobs group by 1 order by 1").fetchall() == [
        ("scheduled", 1),
        ("succeeded", 6),
    ]


def test_the_commands_to_look_run(
    jobs: Path, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PGQUEUE_DATABASE_URL", database_url)
    _import("jobs").welcome.enqueue(42)
    for words in _commands(LOOK):
        if words[1] != "dev":  # it would serve; tests/cli/test_dev.py
            _run(words, capsys)


def test_the_line_of_each_ability_is_code(app: PgQueue, connection: psycopg.Connection[Any]) -> None:
    space: dict[str, Any] = {"app": app, "chain": chain, "drain": drain, "adrain": adrain, "url": "https://example.org"}
    exec("for name in ('fetch', 'parse', 'store', 'welcome'): globals()[name] = app.task(name=name)(lambda value: value)", space)
    lines = [line for line in MORE if not line.startswith("pgqueue ")]
    assert len(lines) >= 6
    with connection.transaction():
        for number, line in enumerate(lines):
            if line.startswith("@"):
                exec(f"{line}\nasync def task_{number}(account: int = 1): ...", space)
            elif line.startswith("await "):
                compile(f"async def handler(ctx): {line}", line, "exec")
            else:
                exec(line, space | {"connection": connection})
    for line in MORE:
        if line.startswith("pgqueue "):
            assert line.split()[1] in {"serve", "agent"}  # what they take: docs/cli.md


def test_the_index_names_each_view(connection: psycopg.Connection[Any]) -> None:
    found = connection.execute("select viewname from pg_views where schemaname = 'pgqueue'").fetchall()
    section = (ROOT / "docs/README.md").read_text().partition("## Views")[2]
    assert set(re.findall(r"`(\w+)`", section)) == {name for (name,) in found} - INTERNAL_VIEWS
