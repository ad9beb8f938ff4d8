"""The benchmark of recovery counts what has happened: each way to treat interrupted jobs is played by a toy."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import psutil
import psycopg
import pytest

from benchmarks.journal import read
from benchmarks.kinds import KINDS
from benchmarks.measurements import recovery
from benchmarks.options import Options
from benchmarks.progress import Steps
from benchmarks.recorder import JOURNAL_VARIABLE, SECONDS_VARIABLE, Recorder
from benchmarks.run import Run
from benchmarks.server import running_server
from benchmarks.tables import cells
from benchmarks.worker import Command, Worker
from tests.benchmarks.toy import PLACES, Toy

SHORT = {
    "KILLED_SECONDS": 0.3,
    "DRAINED_SECONDS": 0.05,
    "DRAINED_ROUNDS": 8,
    "QUIET": 0.2,
    "SETTLED": 0.2,
    "ASK": 0.05,
    "LIMIT": 2.0,
}


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    for name, value in SHORT.items():
        monkeypatch.setattr(recovery, name, value)
    return Steps("test", 1)


def run_of(mode: str, steps: Steps) -> Run:
    toy = Toy(mode)
    run = Run(toy, toy, Options(), steps)  # type: ignore[arg-type]
    run.store = toy
    return run


async def test_jobs_that_another_worker_brings_back_are_back_and_none_is_lost(steps: Steps) -> None:
    found = await recovery.kill(run_of("brings_back", steps))
    assert found["interrupted"] == PLACES
    assert 0 < found["first_seconds"] <= found["back_seconds"] < SHORT["LIMIT"]
    assert (found["lost"], found["held"], found["twice"]) == (0, 0, 0)


async def test_jobs_that_stay_locked_are_not_back_but_held(steps: Steps) -> None:
    found = await recovery.kill(run_of("holds", steps))
    assert "back_seconds" not in found
    assert (found["lost"], found["held"]) == (0, PLACES)


async def test_jobs_that_were_acknowledged_before_they_ran_are_lost(steps: Steps) -> None:
    found = await recovery.kill(run_of("forgets", steps))
    assert "back_seconds" not in found
    assert (found["lost"], found["held"]) == (PLACES, 0)


async def test_jobs_that_run_while_the_server_crashes_and_are_given_out_again_are_done_twice(steps: Steps) -> None:
    found = await recovery.crash(run_of("brings_back", steps))
    assert 1 <= found["twice"] <= PLACES
    assert found["done_seconds"] < SHORT["LIMIT"]
    assert (found["lost"], found["held"], found["worker_ends"]) == (0, 0, 0)


async def test_a_job_whose_end_was_not_recorded_has_time_to_run_again(steps: Steps) -> None:
    found = await recovery.crash(run_of("late", steps))
    assert (found["twice"], found["held"]) == (1, 0)


async def test_a_worker_that_ends_over_a_crash_is_started_again_and_counted(steps: Steps) -> None:
    found = await recovery.crash(run_of("ends", steps))
    assert found["worker_ends"] == 1
    assert found["pause_seconds"] > 0
    assert found["lost"] == 0


async def test_a_crash_that_takes_the_waiting_jobs_is_seen(steps: Steps) -> None:
    found = await recovery.crash(run_of("forgets", steps))
    assert "done_seconds" not in found
    assert 0 < found["lost"] < 8 * PLACES


def test_a_figure_that_was_not_reached_is_named_in_the_table() -> None:
    row: dict[str, object] = {"system": "toy", "version": "1", "interrupted": 4, "lost": 0, "twice": 0, "held": 4}
    assert cells(KINDS["recovery-kill"], {**row, "min": {}, "max": {}}, [row])[1:5] == [
        "not within 90 s",
        "-",
        "-",
        "not within 90 s",
    ]


def test_runs_are_counted_by_job_and_a_torn_line_is_left_for_later(tmp_path: Path) -> None:
    path = tmp_path / "runs"
    path.write_text("start 1 10\nstart 2 10.5\nend 1 11\nstart 2 14\nstart 3 14.5\nend 2 15\nend 2 16\nend 3")
    runs = read(path)
    assert (runs.running(), runs.twice(), runs.last_end()) == ({3}, 1, 15)
    assert (runs.back(2, 12), runs.back(3, 14.5), runs.pause(10)) == (2, None, 4)
    assert read(tmp_path / "missing").running() == set()


def test_a_job_notes_its_start_and_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not Recorder().keeps_journal
    monkeypatch.setenv(JOURNAL_VARIABLE, str(tmp_path / "runs"))
    monkeypatch.setenv(SECONDS_VARIABLE, "0.01")
    recorder = Recorder()
    recorder.work_blocking(-7.0)
    runs = read(tmp_path / "runs")
    assert recorder.keeps_journal
    assert runs.ends[7][0] - runs.starts[7][0] >= 0.009


def test_a_killed_worker_leaves_no_child_even_in_a_session_of_its_own() -> None:
    code = "import subprocess, sys, time; subprocess.Popen(['sleep', '60'], start_new_session=True); time.sleep(60)"
    with Worker([Command([sys.executable, "-c", code])]) as worker:
        parent = psutil.Process(worker.pids()[0])
        deadline = time.monotonic() + 10
        while not (children := parent.children()) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not worker.ended()
        worker.kill()
        gone, alive = psutil.wait_procs(children, timeout=10)
    assert len(gone) == 1
    assert not alive


@pytest.mark.slow
def test_a_crashed_server_comes_back_with_what_was_committed_and_its_sessions_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BENCHMARK_DATABASE_URL", raising=False)
    with running_server() as server, server.connect() as connection:
        connection.execute("create table kept (number int)")
        connection.execute("insert into kept values (1)")
        server.crashed("postgres")
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")
        with server.connect() as again:
            assert again.execute("select number from kept").fetchall() == [(1,)]
