"""Runs the benchmark of the API and prints its figures."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median

import psycopg
from rich.console import Console
from rich.table import Table

from benchmarks.api import direct
from benchmarks.api.client import Act, Connection, as_fast_as_possible, at_a_pace, get, post
from benchmarks.api.server import new_key, served
from benchmarks.figures import Figures, latency_figures
from benchmarks.server import Server
from benchmarks.size.fill import HISTORY, fill
from pgqueue.migrate import migrate

SECONDS = 5.0
CONNECTIONS = 10  # as many as the pool of the API has; a client of HTTP may have more
HTTP_CONNECTIONS = 32
BATCH, BATCH_CONNECTIONS = 1_000, 4
LISTENERS = 200
ENDED = 1_000_000  # jobs in the history of which /metrics tells
SCRAPES = 7
ENQUEUE, MANY = "/api/v1/jobs", "/api/v1/jobs/batch"
GOALS = {
    "single per second": ">= 1,200", "single, of psycopg": ">= 0.35", "batches, jobs per second": ">= 25,000",
    "batches, of psycopg": ">= 0.6", "p99 ms at half": "< 25", "database connections of 200 listeners": "1 beside the pool",
    "/metrics ms": "< 50",
}  # fmt: skip


def measure(server: Server, repeat: int, *, as_json: bool) -> None:
    """Print the figures: medians over the rounds, in each of which both ways take turns."""
    with server.fresh_database("api") as database:
        url = server.url(database)
        migrate(url)
        producer, viewer = new_key(url, "producer"), new_key(url, "viewer")
        with served(url) as port:
            rounds = [asyncio.run(_round(url, port, producer)) for _ in range(repeat)]
            listeners = asyncio.run(_listeners(url, port, viewer))
    found: Figures = {name: median(one[name] for one in rounds) for name in rounds[0]} | listeners
    found |= _scrapes(server)
    _show(found, as_json=as_json)


async def _round(url: str, port: int, key: str) -> Figures:
    body = {"task": "noop", "args": {"number": 1}}
    many = {"jobs": [{"task": "noop", "args": {"number": number}} for number in range(BATCH)]}
    async with direct.single(url, CONNECTIONS) as acts:
        straight = await as_fast_as_possible(acts, SECONDS)
    async with _connected(port, HTTP_CONNECTIONS, post(ENQUEUE, body, key)) as acts:
        single = await as_fast_as_possible(acts, SECONDS)
        late = await at_a_pace(acts, single / 2, SECONDS)
    async with direct.batches(url, BATCH_CONNECTIONS, BATCH) as acts:
        straight_jobs = BATCH * await as_fast_as_possible(acts, SECONDS)
    async with _connected(port, BATCH_CONNECTIONS, post(MANY, many, key)) as acts:
        jobs = BATCH * await as_fast_as_possible(acts, SECONDS)
    _empty(url)
    return {
        "psycopg single per second": straight,
        "single per second": single,
        "single, of psycopg": single / straight,
        "p50 ms at half": latency_figures(late)["p50_ms"],
        "p99 ms at half": latency_figures(late)["p99_ms"],
        "psycopg batches, jobs per second": straight_jobs,
        "batches, jobs per second": jobs,
        "batches, of psycopg": jobs / straight_jobs,
    }


@asynccontextmanager
async def _connected(port: int, count: int, request: bytes) -> AsyncIterator[list[Act]]:
    connections = [await Connection.open(port) for _ in range(count)]

    def act(connection: Connection) -> Act:
        return lambda: connection.send(request)

    try:
        yield [act(one) for one in connections]
    finally:
        for one in connections:
            one.close()


def _empty(url: str) -> None:
    """Each round begins with an empty queue."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("truncate pgqueue.job")
        connection.execute("vacuum pgqueue.job")


async def _listeners(url: str, port: int, key: str) -> Figures:
    """How many connections the database has while so many streams of all jobs are open."""
    streams = [await asyncio.open_connection("127.0.0.1", port) for _ in range(LISTENERS)]
    for reader, writer in streams:
        writer.write(get("/api/v1/events", key))
        if not (await reader.readline()).startswith(b"HTTP/1.1 200"):
            raise SystemExit("a stream was refused")
    await asyncio.sleep(2)
    with psycopg.connect(url, autocommit=True) as connection:
        names = connection.execute(
            "select application_name, count(*) from pg_stat_activity where datname = current_database() "
            "and pid <> pg_backend_pid() and backend_type = 'client backend' group by 1"
        ).fetchall()
    for _, writer in streams:
        writer.close()
    of_pool = sum(count for name, count in names if name == "pgqueue")
    return {
        f"database connections of {LISTENERS} listeners": sum(count for _, count in names) - of_pool,
        "and of the pool": of_pool,
    }


def _scrapes(server: Server) -> Figures:
    """Milliseconds of /metrics, with a million jobs in the history."""
    with server.fresh_database("api_large") as database:
        url = server.url(database)
        fill(url, 1, [(HISTORY, ENDED)])
        _roll_up(url)
        key = new_key(url, "viewer")
        with served(url) as port:
            return {"/metrics ms": asyncio.run(_scraped(port, get("/metrics", key)))}


def _roll_up(url: str) -> None:
    """As workers do, until nothing is left to sum up."""
    with psycopg.connect(url, autocommit=True) as connection:
        while connection.execute("select pgqueue.roll_up() < 1").fetchone() == (True,):
            pass


async def _scraped(port: int, request: bytes) -> float:
    connection, took = await Connection.open(port), list[float]()
    for _ in range(SCRAPES):
        began = time.perf_counter()
        await connection.send(request)
        took.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(1.1)  # an answer is kept for a second
    connection.close()
    return median(took[1:])


def _show(found: Figures, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"benchmark": "api", **{name: round(value, 3) for name, value in found.items()}}), flush=True)
        return
    table = Table(title="REST API")
    for name in ("what", "measured", "asked"):
        table.add_column(name, justify="left" if name == "what" else "right", no_wrap=True)
    for name, value in found.items():
        table.add_row(name, f"{value:,.0f}" if value >= 100 else f"{value:.2f}", GOALS.get(name, ""))
    Console().print(table)
