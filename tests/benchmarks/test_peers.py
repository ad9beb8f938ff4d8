"""Peers run as scripts: what a producer is asked and answers, what is said of one that fails, how many jobs a slow one has."""

import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlencode

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from benchmarks import peers
from benchmarks.errors import BenchmarkError, Unavailable
from benchmarks.measurements.enqueue import _single
from benchmarks.options import Options
from benchmarks.peers import PYTHON_VARIABLE, interpreter, producing, requirements
from benchmarks.run import Run
from benchmarks.systems import PEERS, load

README = Path(peers.__file__).with_name("README.md")
SCRIPT = """
import sys, time
from pathlib import Path
from benchmarks.systems.peers.answers import serve
log = Path(sys.argv[1])
def note(word, value):
    print("a library's own words")
    with log.open("a") as file:
        file.write(f"{word} {value}\\n")
def one(sent_at):
    if sent_at < 0:
        raise ValueError("refused by its server")
    time.sleep(0.05)
    note("one", sent_at)
serve(lambda count: note("many", count), one)
"""


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    return [sys.executable, str(script), str(tmp_path / "log")]


def lines(tmp_path: Path) -> list[tuple[str, ...]]:
    return [tuple(line.split()) for line in (tmp_path / "log").read_text().splitlines()]


async def test_a_producer_is_asked_by_lines_and_says_what_its_own_call_took(command: list[str], tmp_path: Path) -> None:
    async with producing(command, peers.ENVIRONMENT) as producer:
        await producer.enqueue_many(1000)
        seconds = await producer.enqueue(0.0)
    assert lines(tmp_path) == [("many", "1000"), ("one", "0.0")]
    assert seconds is not None
    assert 0.05 <= seconds < 5


async def test_the_time_that_a_job_carries_is_taken_where_it_is_sent(command: list[str], tmp_path: Path) -> None:
    async with producing(command, peers.ENVIRONMENT) as producer:
        before = time.time()
        await producer.enqueue(1.0)
    ((_, sent_at),) = lines(tmp_path)
    assert float(sent_at) >= before


async def test_a_producer_that_fails_ends_the_run_with_what_it_said(command: list[str]) -> None:
    with pytest.raises(BenchmarkError, match="refused by its server"):
        async with producing(command, peers.ENVIRONMENT) as producer:
            await producer.enqueue(-1.0)


async def test_a_producer_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(peers, "END_SECONDS", 0.1)
    with pytest.raises(BenchmarkError, match="did not answer"):
        async with producing([sys.executable, "-c", "import time; time.sleep(60)"], peers.ENVIRONMENT):
            pass


async def test_nothing_is_left_of_a_producer(command: list[str]) -> None:
    async with producing(command, peers.ENVIRONMENT) as producer:
        process = producer._process
    assert process.returncode == 0


async def test_a_system_without_sql_has_no_plain_insert_beside_its_calls() -> None:
    steps = SimpleNamespace(phase=lambda *_: None, reach=lambda *_: None)

    class Quick:
        async def enqueue(self, sent_at: float) -> float:
            return 0.25

        async def insert_row(self) -> None:
            raise Unavailable("jobs are no rows of a table")

    calls, rows = await _single(cast(Any, SimpleNamespace(steps=steps)), cast(Any, Quick()))
    assert set(calls) == {0.25}  # not what the way there took
    assert rows == []


def test_without_its_packages_a_peer_is_left_out_with_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(PYTHON_VARIABLE, str(tmp_path / "python"))
    peers.installed.cache_clear()
    with pytest.raises(Unavailable, match="make bench"):
        interpreter()
    with pytest.raises(Unavailable, match="make bench"):
        load("procrastinate").version()


def test_a_package_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PYTHON_VARIABLE, sys.executable)
    peers.installed.cache_clear()
    with pytest.raises(Unavailable, match="no-such-package is not installed"):
        peers.installed("no-such-package")


@pytest.mark.parametrize(("wanted", "most", "jobs"), [(None, None, 1_000), (None, 400, 400), (500, 400, 400), (300, 400, 300)])
def test_a_slow_system_is_given_no_more_jobs_than_it_can_do(wanted: int | None, most: int | None, jobs: int) -> None:
    run = Run.__new__(Run)
    run.options, run.system = Options(jobs=wanted), cast(Any, SimpleNamespace(most_jobs=most))
    assert run.jobs(1_000) == jobs


@pytest.mark.parametrize("name", PEERS)
def test_each_peer_takes_part_in_what_peers_are_compared_by(name: str) -> None:
    assert load(name).benchmarks >= {"throughput", "processes", "together", "latency", "enqueue"}


def test_the_packages_of_peers_are_pinned() -> None:
    assert all("==" in line for line in requirements("peers"))


async def test_pgqueuer_has_the_vacuum_settings_that_its_guide_advises(empty_database_url: str) -> None:
    system = load("pgqueuer")
    facts = conninfo_to_dict(empty_database_url)
    await system.install(f"postgresql:///{facts.pop('dbname')}?{urlencode(facts)}")
    with psycopg.connect(empty_database_url) as connection:
        row = connection.execute("select reloptions from pg_class where oid = 'pgqueuer'::regclass").fetchone()
    assert row is not None
    assert "autovacuum_vacuum_cost_delay=0" in row[0]


def test_the_readme_has_the_settings_of_each_peer_and_their_source() -> None:
    rows = [[cell.strip() for cell in row.split("|")] for row in README.read_text().splitlines() if row.startswith("| ")]
    told = {row[1]: row[2:-1] for row in rows}
    for name in PEERS:
        settings, source, finished = told[name]
        assert settings, name
        assert source, name
        assert finished, name
