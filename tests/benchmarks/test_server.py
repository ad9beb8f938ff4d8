"""The benchmark of the server alone: the bare statements do the same work as pgqueue's functions, and the figures are per job."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from benchmarks import sampler
from benchmarks.fleet.usage import process_seconds
from benchmarks.measurements.server import Costs, backend, figures
from benchmarks.measurements.shares import Reading
from benchmarks.measurements.shares import figures as shares
from benchmarks.systems.inside import Inside

BATCH, BATCHES = 20, 2
ENDED = """
    SELECT to_jsonb(h) - '{id,queue,worker_id,run_at,created_at,claimed_at,finished_at,elapsed}'::text[] AS row,
           claimed_at > created_at AND finished_at > claimed_at AND elapsed > 0 AND worker_id IS NOT NULL
      FROM pgqueue.job_history h WHERE queue = %s"""


@pytest.fixture
def url(database_url: str) -> str:
    """A database with more jobs than are drained."""
    asyncio.run(Inside("some").fill(database_url, 50))
    with backend(database_url) as it:
        it.fill_bare(50)
        it.turn(BATCH, BATCHES)
    return database_url


def _rows(url: str, queue: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(ENDED, (queue,)).fetchall()


def test_jobs_end_by_the_bare_statements_as_they_end_by_the_functions(url: str) -> None:
    ours, bare = _rows(url, "default"), _rows(url, "bare")
    assert len(ours) == BATCH * BATCHES
    assert bare == ours
    assert ours == [(ours[0][0], True)] * len(ours)
    with psycopg.connect(url) as connection:
        states = connection.execute("SELECT state, count(*) FROM pgqueue.job GROUP BY state").fetchall()
    assert states == [("ready", 2 * (50 - BATCH * BATCHES))]


def test_each_step_of_both_has_taken_time_of_the_backend(database_url: str) -> None:
    asyncio.run(Inside("some").fill(database_url, 400))
    with backend(database_url) as it:
        it.fill_bare(400)
        for costs in it.turn(20, 20):  # many, as a commit takes little more than a mark
            assert costs.jobs == 400
            assert all(costs.nanoseconds[step] > 0 for step in ("claim", "finish", "commit"))
            assert 300 < costs.wal / costs.jobs < 10_000


def test_a_queue_that_is_too_short_is_refused(database_url: str) -> None:
    asyncio.run(Inside("some").fill(database_url, 10))
    with backend(database_url) as it, pytest.raises(psycopg.errors.RaiseException, match=r"only 10 of 20 jobs"):
        it.turn(20, 2)


def test_figures_are_microseconds_for_each_job_without_what_the_client_builds() -> None:
    costs = Costs()
    costs.add(10, [100_000, 10_000, 500_000, 20_000, 60_000, 30_000], [1_000, 0, 0, 0, 2_000, 100])
    bare = Costs()
    bare.add(5, [25_000, 5_000, 500_000, 10_000, 10_000, 5_000], [500, 0, 0, 0, 500, 0])
    found = figures(costs, bare)
    assert (found["claim_us"], found["finish_us"], found["commit_us"], found["server_us"]) == (10, 6, 4, 22)
    assert (found["claim_to_bare"], found["finish_to_bare"], found["server_to_bare"]) == (2, 3, 2)
    assert (found["wal_bytes_per_job"], found["bare_wal_bytes_per_job"]) == (310, 200)


def test_the_shares_of_a_job_are_what_was_used_between_two_readings() -> None:
    first = Reading(100, {"sessions": 1.0, "wal_writer": 0.0, "others": 0.5, "python": 1.0}, {"claim": 10})
    last = Reading(1_100, {"sessions": 1.03, "wal_writer": 0.001, "others": 0.502, "python": 1.01}, {"claim": 11, "run": 4})
    found = shares(first, last, claiming=200.0, finishing=100.0)
    rounded = {name: round(value, 6) for name, value in found.items()}
    assert rounded == {
        "jobs": 1_000, "total_us": 43, "claiming_us": 20, "finishing_us": 10, "wal_writer_us": 1, "others_us": 2,
        "python_us": 10, "python_claim_us": 2, "python_run_us": 8,
    }  # fmt: skip


def test_a_module_runs_under_the_sampler_as_by_itself(tmp_path: Path) -> None:
    command = [sys.executable, sampler.__file__, "timeit", "-n", "1", "-r", "1", "sum(i for i in range(6_000_000))"]
    environment = {**os.environ, sampler.DIRECTORY_VARIABLE: str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("1 loop"), done.stderr
    (samples,) = tmp_path.glob("*.samples")
    counts = json.loads(samples.read_text())
    assert list(counts) == ["loop"]
    assert counts["loop"] >= sampler.WRITE_EVERY


def test_the_processor_time_of_a_process_that_has_ended_is_none() -> None:
    assert process_seconds(os.getpid()) > 0
    assert process_seconds(2**22 + 1) == 0
