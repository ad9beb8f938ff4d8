"""Runs the benchmark of fleets: what idle workers cost the server, how fast a worker starts, how many do work together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import psycopg

from benchmarks.figures import Figures
from benchmarks.fleet.usage import server_seconds
from benchmarks.server import Server
from pgqueue.migrate import migrate

IDLE, IN_EACH = 100, 25  # idle workers, and how many of them share a process
SETTLED = 35.0  # seconds until connections that the start has needed are closed, and the first examinations are over
SECONDS = 20.0
STARTS = 5
TOGETHER = ((10, 1_000), (50, 1_000))  # worker processes, and jobs for each
DRAINED = 40_000
WITHIN = 120.0
NOOPS = "select pgqueue.enqueue('noop', '{}') from generate_series(1, %s)"
SERVED = "select count(*) from pgqueue.worker where wake_mode = 'notify'"
LIVE = "select count(*) from pgqueue.job"
RUNS = "select count(*), coalesce(sum(attempt), 0) from pgqueue.job_history"
WORKER = ["-m", "pgqueue.worker", "benchmarks.systems.pgqueue:app", "--concurrency", "10"]


def measure(server: Server, repeat: int) -> None:
    """Print the figures as one JSON object. `repeat`: rounds of what drains; medians count."""
    found = {**_idle(server), **_start(server), **_drains(server, repeat)}
    for count, jobs in TOGETHER:
        found |= _together(server, count, jobs)
    print(json.dumps({"benchmark": "fleet", "system": "pgqueue", **found}), flush=True)


@contextmanager
def _install(server: Server) -> Iterator[tuple[str, psycopg.Connection]]:
    with server.fresh_database("fleet") as database:
        migrate(server.url(database))
        with server.connect(database) as connection:
            yield server.url(database), connection


@contextmanager
def _processes(url: str, *commands: list[str]) -> Iterator[list[subprocess.Popen[bytes]]]:
    environment = {**os.environ, "PGQUEUE_DATABASE_URL": url, "PGQUEUE_LOG_LEVEL": "error"}
    processes = [subprocess.Popen([sys.executable, *command], env=environment) for command in commands]
    try:
        yield processes
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(30)


def _value(connection: psycopg.Connection, query: str) -> int:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])


def _until(connection: psycopg.Connection, query: str, wanted: int) -> None:
    end = time.monotonic() + WITHIN
    while _value(connection, query) != wanted:
        if time.monotonic() > end:
            raise TimeoutError(f"{query}: not {wanted} within {WITHIN:g} s")
        time.sleep(0.01)


def _idle(server: Server) -> Figures:
    """The server's share of a core, and its connections, while workers that have worked have nothing to do."""
    command = ["-m", "benchmarks.fleet.workers"]
    with _install(server) as (url, connection), _processes(url, *[[*command, url, str(IN_EACH)]] * (IDLE // IN_EACH)):
        _until(connection, SERVED, IDLE)
        connection.execute(NOOPS, (10 * IDLE,))
        _until(connection, LIVE, 0)
        time.sleep(SETTLED)
        postmaster = _value(connection, "select split_part(pg_read_file('postmaster.pid'), E'\\n', 1)")
        began, before = time.monotonic(), server_seconds(postmaster)
        commits = _value(connection, "select xact_commit from pg_stat_database where datname = current_database()")
        time.sleep(SECONDS)
        used, elapsed = server_seconds(postmaster) - before, time.monotonic() - began
        commits = _value(connection, "select xact_commit from pg_stat_database where datname = current_database()") - commits
        held = _value(connection, "select count(*) from pg_stat_activity where application_name like 'pgqueue%'")
    return {
        "idle_workers": IDLE,
        "idle_percent_of_a_core": 100 * used / elapsed,
        "idle_transactions_per_second": commits / elapsed,
        "idle_connections_each": held / IDLE,
    }


def _start(server: Server) -> Figures:
    """Seconds from exec until a job that waits has ended, and the worker with it."""
    taken = []
    with _install(server) as (url, connection):
        for _ in range(STARTS):
            connection.execute("select pgqueue.enqueue('noop', '{\"sent_at\": 0}')")
            began = time.monotonic()
            with _processes(url, WORKER):
                _until(connection, LIVE, 0)
                taken.append(time.monotonic() - began)
    return {"start_to_first_job_seconds": median(taken), "start_to_first_job_best": min(taken)}


def _drains(server: Server, repeat: int) -> Figures:
    """Jobs a second of one process and of two, in turns."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(repeat):
        for count in rates:
            rates[count].append(_rate(server, count))
    one, two = median(rates[1]), median(rates[2])
    return {"one_process_per_second": one, "two_processes_per_second": two, "two_of_one": two / one}


def _rate(server: Server, count: int) -> float:
    with _install(server) as (url, connection), _processes(url, *[[*WORKER[:-1], "100"]] * count):
        _until(connection, SERVED, count)
        _enqueue(connection, DRAINED)
        began = time.monotonic()
        _until(connection, LIVE, 0)
        return DRAINED / (time.monotonic() - began)


def _enqueue(connection: psycopg.Connection, count: int) -> None:
    arguments = "(select jsonb_agg('{\"sent_at\": 0}'::jsonb) from generate_series(1, %s))"
    connection.execute(f"select count(*) from pgqueue.enqueue_many('noop', {arguments})".encode(), (count,))


def _together(server: Server, count: int, jobs: int) -> Figures:
    """Worker processes that share jobs: seconds, and runs beyond one of each job."""
    name = f"{count}_processes"
    with _install(server) as (url, connection), _processes(url, *[WORKER] * count):
        _until(connection, SERVED, count)
        began = time.monotonic()
        _enqueue(connection, count * jobs)
        _until(connection, LIVE, 0)
        seconds = time.monotonic() - began
        row = connection.execute(RUNS.encode()).fetchone()
        assert row is not None
    return {f"{name}_jobs": int(row[0]), f"{name}_seconds": seconds, f"{name}_duplicates": int(row[1] - row[0])}
