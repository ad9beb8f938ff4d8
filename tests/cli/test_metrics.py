"""pgqueue metrics."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from rich.cells import cell_len

from pgqueue import PgQueue
from pgqueue.cli import output

from ..rolled import pass_minutes
from .conftest import Run


@pytest.fixture
def load(app: PgQueue, work: Callable[[], None], connection: psycopg.Connection[Any]) -> None:
    """Four jobs that succeeded and one dead letter, in closed minutes; and three that wait."""
    app.tasks["add"].enqueue_many([(1, number) for number in range(4)])
    app.tasks["fail"].enqueue("no")
    work()
    app.tasks["add"].using(priority=7).enqueue_many([(1, 1)] * 3)
    connection.execute("update job set created_at = created_at - interval '3 minutes'")
    pass_minutes(connection)


def test_figures_for_people_and_machines(run: Run, load: None) -> None:
    (figures,) = run("metrics", "--window", "10m", "--json").lines
    every = figures["all"]
    assert (every["enqueued"], every["succeeded"], every["failed"], every["failed_attempts"]) == (8, 4, 1, 2)
    assert (every["ready"], every["success_rate"]) == ({"7": 3}, 0.8)
    assert [(queue["name"], queue["succeeded"]) for queue in figures["queues"]] == [("default", 4), ("mail", 0)]
    assert [(task["name"], task["failed"]) for task in figures["tasks"]] == [("add", 0), ("fail", 1)]
    assert figures["workers"] == {"active": 0, "idle": 0, "dead": 0, "slots": 0, "running": 0, "per_cent": None}
    assert run("metrics", "--window", "10m", "--by", "task", "--json").lines == figures["tasks"]

    shown = " ".join(run("metrics", "--window", "600").out.split())
    for words in ("enqueued 8", "succeeded 4 80 %", "failed attempts 2", "ready at the end 3 3 of priority 7", "workers now 0"):
        assert words in shown


def test_a_series_for_people_and_machines(run: Run, load: None) -> None:
    steps = run("metrics", "--series", "--since", "10m", "--task", "add", "--json").lines
    assert (len(steps) > 8, sum(step["succeeded"] for step in steps), steps[-1]["ready"]) == (True, 4, None)
    assert run("metrics", "--series", "--since", "10m").out.count("\n") > len(steps)


@pytest.mark.parametrize("arguments", [("--window", "10m"), ("--by", "queue"), ("--by", "task"), ("--series",)])
def test_on_80_columns_no_figure_is_cut(
    run: Run, load: None, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, connection: psycopg.Connection[Any]
) -> None:
    connection.execute(
        "update metric_minute set succeeded = 1234567, failed = 99999, wait_seconds = 1e9, task = repeat(task, 20)"
    )
    monkeypatch.setattr(output, "PIPED_WIDTH", 80)
    lines = run("metrics", *arguments).out.splitlines()
    assert max(map(cell_len, lines)) <= 80
    names = ("addadd", "failfail", "default", "mail")
    assert not any("…" in line for line in lines if not line.strip().startswith(names))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--window", "10"), "window"),
        (("--window", "soon"), "window"),
        (("--queue", "mail"), "--series"),
        (("--series", "--step", "90"), "step"),
        (("--series", "--since", "8d"), "step"),
        (("--series", "--since", "yesterday"), "since"),
    ],
)
def test_bad_input_is_one_line(run: Run, arguments: tuple[str, ...], named: str) -> None:
    ran = run("metrics", *arguments)
    assert (ran.code, ran.out, ran.err.count("\n"), named in ran.err) == (2, "", 1, True)
