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


def test_numbers_stand_at_the_right(run: Run, load: None) -> None:
    heading, _, *lines = run("metrics", "--by", "queue").out.splitlines()[1:-1]
    for name in ("in/s", "done/s", "p95", "wait95"):
        end = heading.index(name) + len(name)
        assert all(line[end : end + 1] in ("", " ") for line in lines)
        assert any(line[end - 1] != " " for line in lines)


def test_on_60_columns_a_series_says_what_it_leaves_out(run: Run, load: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "PIPED_WIDTH", 60)
    out = run("metrics", "--series", "--since", "10m").out
    assert (max(map(cell_len, out.splitlines())) <= 60, "wait95" in out) == (True, True)
    assert all(name in out for name in ("p50", "cancelled", "p99", "live", "ready"))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--window", "10"), "window"),
        (("--window", "soon"), "window"),
        (("--window", "30s"), "window: 30 s is not valid; use a duration from 60 s"),
        (("--queue", "mail"), "--series"),
        (("--step", "5m"), "step: not used here; without --series use --window"),
        (("--since", "1h", "--until", "2030-01-31"), "since, until: not used here"),
        (("--series", "--by", "queue", "--window", "1h"), "window, by: not used here; with --series use --since"),
        (("--series", "--step", "90"), "step"),
        (("--series", "--since", "8d"), "step"),
        (("--series", "--since", "yesterday"), "since"),
    ],
)
def test_bad_input_is_one_line(run: Run, arguments: tuple[str, ...], named: str) -> None:
    ran = run("metrics", *arguments)
    assert (ran.code, ran.out, ran.err.count("\n"), named in ran.err) == (2, "", 1, True)
