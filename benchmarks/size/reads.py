"""What is timed: reads as SQL and as commands, and operations on jobs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from uuid import uuid4

import psycopg

OPTIONS = "-c search_path=pgqueue"
TIMES = 5
READS = {
    "queue_stats": "SELECT * FROM queue_stats",
    "queues": "SELECT * FROM queues",
    "task_stats": "SELECT * FROM task_stats",
    "throughput_per_minute": "SELECT * FROM throughput_per_minute",
    "limit_status": "SELECT * FROM limit_status",
    "worker_status": "SELECT * FROM worker_status",
    "workflow_progress, 20": "SELECT * FROM workflow_progress ORDER BY id DESC LIMIT 20",
    "dead_groups": "SELECT * FROM dead_groups()",
    "list_jobs": "SELECT * FROM list_jobs('{}')",
    "list_jobs, ready": """SELECT * FROM list_jobs('{"state": "ready"}')""",
    "list_jobs, a task": """SELECT * FROM list_jobs('{"task": "app.task_7"}')""",
    "a job by id": "SELECT * FROM jobs WHERE id = -7",
    "sample_depths": "SELECT sample_depths()",
}
COMMANDS = ("stats", "queues", "limits", "workers", "jobs", "dead", "dead --group", "workflows", "operations")
NEW = "SELECT enqueue('noop', queue => 'new')"
FIRST_DEAD = "SELECT id FROM dead_letter ORDER BY id LIMIT 1"
BATCH = "(SELECT jsonb_agg(jsonb_build_object('n', n)) FROM generate_series(1, 1000) AS n)"
# Each with what its parameter is.
OPERATIONS = {
    "enqueue": ("SELECT enqueue('noop', '{\"n\": 1}', queue => 'new')", None),
    "enqueue_many, 1000": (f"SELECT enqueue_many('noop', {BATCH}, queue => 'claimed')", None),
    "update": ("SELECT update(%s, priority => 5)", NEW),
    "cancel": ("SELECT cancel(%s)", NEW),
    "retry": ("SELECT retry(%s)", FIRST_DEAD),
    "discard": ("SELECT discard(%s)", FIRST_DEAD),
    "maintain": ("SELECT maintain()", None),
}
CLAIM = "SELECT array_agg(id) FROM claim((SELECT id FROM worker LIMIT 1), %s, array['claimed'], 100)"
FINISH = """
    SELECT count(*) FROM finish((
        SELECT jsonb_agg(jsonb_build_object('id', i, 'token', %s::text, 'state', 'succeeded', 'elapsed', 0.1))
          FROM unnest(%s::bigint[]) AS i))"""
Times = dict[str, float]


def timed(act: Callable[..., object], *given: object) -> float:
    """Milliseconds of one call."""
    began = time.perf_counter()
    act(*given)
    return (time.perf_counter() - began) * 1000


def reads(url: str, times: int = TIMES) -> Times:
    """Milliseconds of each read, the median of so many calls on a new connection."""
    found = {}
    for name, statement in READS.items():
        with psycopg.connect(url, autocommit=True, options=OPTIONS) as connection:
            found[name] = median(timed(_value, connection, statement) for _ in range(times))
    return found


def commands(url: str) -> Times:
    """Milliseconds of each command line, most of which Python needs to start."""
    return {f"pgqueue {command}": median(timed(_run, url, command) for _ in range(3)) for command in COMMANDS}


def operations(url: str) -> Times:
    """Milliseconds of each operation, the median; what they change is not put back."""
    with psycopg.connect(url, autocommit=True, options=OPTIONS) as connection:
        found = {}
        for name, (statement, of) in OPERATIONS.items():
            given = [[] if of is None else [_value(connection, of)] for _ in range(TIMES)]
            if of == FIRST_DEAD:
                given = [[row[0]] for row in connection.execute(FIRST_DEAD.replace(" 1", f" {TIMES}").encode())]
            found[name] = median(timed(_value, connection, statement, *one) for one in given)
        pairs = [_claim_and_finish(connection) for _ in range(TIMES)]
        return {**found, "claim, 100": median(one for one, _ in pairs), "finish, 100": median(other for _, other in pairs)}


def _claim_and_finish(connection: psycopg.Connection) -> tuple[float, float]:
    token, began = uuid4(), time.perf_counter()
    ids = _value(connection, CLAIM, token)
    return (time.perf_counter() - began) * 1000, timed(_value, connection, FINISH, token, ids)


def _value(connection: psycopg.Connection, statement: str, *params: object) -> object:
    """The first value, after all rows were read."""
    rows = connection.execute(statement.encode(), params or None).fetchall()
    return rows[0][0] if rows else None


def _run(url: str, command: str) -> None:
    arguments = [sys.executable, "-m", "pgqueue", *command.split()]
    environment = {**os.environ, "PGQUEUE_DATABASE_URL": url}
    subprocess.run(arguments, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
