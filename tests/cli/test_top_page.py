"""The page of pgqueue top: it fits, it is sorted, and it says what is wrong."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from rich.cells import cell_len

from pgqueue.cli.top_page import View, page
from pgqueue.insight import short
from pgqueue.insight.snapshot import Snapshot
from pgqueue.insight.troubles import troubles

from .snapshots import NOW, figures, finding, metrics, pause, queue, snapshot, worker

NAMES = [f"queue of a long name {number}" for number in range(40)] + ["データ" * 20, "\x1b[2Jclear", ""]


def crowded() -> Snapshot:
    """Too much of everything, and large numbers."""
    large: dict[str, Any] = {
        "enqueued_per_second": 123456.7,
        "completed_per_second": 99999.5,
        "failed": 1234567,
        "duration_p95_ms": 1e9,
    }
    return snapshot(
        [queue(name, ready=12345678, running=99999, oldest=timedelta(days=400), workers=1000) for name in NAMES],
        [worker(name * 3, queues=NAMES, running=1000, concurrency=1000) for name in NAMES],
        [pause("task", name) for name in NAMES],
        metrics({name: figures(name, **large) for name in NAMES}, {name: figures(name, **large) for name in NAMES}, **large),
    )


def text(now: Snapshot, view: View | None = None, width: int = 80, **options: Any) -> list[str]:
    return [line.plain for line in page(now, view or View(), width, **options)]


@pytest.mark.parametrize("width", [60, 70, 76, 80])
@pytest.mark.parametrize("of_tasks", [False, True], ids=["queues", "tasks"])
def test_names_and_figures_of_a_narrow_page_are_whole(of_tasks: bool, width: int) -> None:
    named = {name: figures(name) for name in ("default", "thumbnails")}
    now = snapshot([queue(name, ready=5) for name in named], numbers=metrics(named, named))
    lines = text(now, View(of_tasks), width)
    rows = [line for line in lines if line.startswith(("default ", "thumbnails "))]
    assert (len(rows), any("…" in line for line in rows)) == (2, False)
    assert of_tasks or [line.split()[-1] for line in rows] == ["1", "1"]


@pytest.mark.parametrize("of_tasks", [False, True], ids=["queues", "tasks"])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 8), (20, 3), (200, 100)])
@pytest.mark.parametrize("now", [crowded(), snapshot(), snapshot(workers=[])], ids=["crowded", "quiet", "no worker"])
def test_a_page_fits_the_terminal(now: Snapshot, width: int, height: int, of_tasks: bool) -> None:
    lines = text(now, View(of_tasks), width, height=height)
    assert (len(lines), max(map(cell_len, lines)) <= width) == (height, True)
    assert not any(ord(letter) < 32 for line in lines for letter in line)


def test_on_80_columns_no_figure_is_cut() -> None:
    lines = text(crowded(), height=24)
    head, first = lines[lines.index("") + 1 :][:2]
    assert head.split() == ["queue", "ready", "run", "oldest", "in/s", "done/s", "failed", "p95", "wait95", "workers"]
    assert first.endswith("12.3M 99,999  400 d   123k   100k  1.23M   12 d   5 ms    1000")


@pytest.mark.parametrize("value", [0, 9, 99_999, 100_000, 123_456, 999_499, 999_999, 9_999_999, 10**8, 999_499_999])
def test_a_count_has_six_characters_at_most(value: int) -> None:
    assert len(short.count(value)) <= 6
    assert len(short.rate(value)) <= 6


SPANS = {
    0: "0 µs", 2e-6: "2 µs", 999e-6: "999 µs", 0.00123: "1.2 ms", 0.00996: "10 ms", 0.0123: "12 ms", 0.9996: "1 s",
    1.234: "1.23 s", 99.94: "99.9 s", 100: "2 min", 5969: "99 min", 5971: "2 h", 86400 * 400: "400 d",
}  # fmt: skip


@pytest.mark.parametrize(("seconds", "shown"), SPANS.items())
def test_a_duration_is_short(seconds: float, shown: str) -> None:
    assert (short.span(seconds), len(shown) <= 6) == (shown, True)


@pytest.mark.parametrize(
    ("key", "first"),
    [("r", "many"), ("n", "bad"), ("o", "old"), ("d", "fast"), ("i", "full"), ("f", "bad"), ("p", "slow"), ("?", "many")],
)
def test_a_key_sorts_the_queues(key: str, first: str) -> None:
    queues = {
        "fast": figures("fast", completed_per_second=99.0),
        "full": figures("full", enqueued_per_second=99.0),
        "bad": figures("bad", failed=9),
        "slow": figures("slow", duration_p95_ms=999.0),
    }
    now = snapshot([queue("many", ready=9), queue("old", oldest=timedelta(seconds=9))], numbers=metrics(queues))
    view = View()
    view.press(key)
    lines = text(now, view)
    assert lines[lines.index("") + 2].split()[0] == first


def test_a_key_shows_tasks_and_each_table_keeps_its_order() -> None:
    now = snapshot(numbers=metrics(tasks={"a": figures("a"), "b": figures("b", failed_attempts=3)}))
    view = View()
    for key in "nte":
        view.press(key)
    assert [line.split()[0] for line in text(now, view) if line.startswith(("a ", "b "))] == ["b", "a"]
    view.press("t")
    assert (view.of_tasks, view.by.key) == (False, "n")


WRONG = {
    "nobody": (snapshot([queue("mail", ready=7, workers=0)]), "error", "no worker serves mail: 7 ready"),
    "nobody at all": (
        snapshot([queue("mail", scheduled=2)], workers=[]),
        "warning",
        "no worker is alive: 2 scheduled, 0 running",
    ),
    "found": (
        snapshot(findings=[finding("autovacuum-off", "autovacuum is off"), finding("no-worker", "no worker is alive")]),
        "error",
        "autovacuum is off: pgqueue doctor",
    ),
    "dead": (
        snapshot(workers=[worker("web:1", status="DEAD", heartbeat_at=NOW - timedelta(seconds=12))]),
        "error",
        "dead workers: 1 (web:1), last heartbeat 12 s ago",
    ),
    "letters": (
        snapshot(numbers=metrics(tasks={"a": figures("a"), "b": figures("b", failed=3)}, failed=3)),
        "error",
        "dead letters grew by 3 in 60 s: b",
    ),
    "late": (
        snapshot([queue("mail", ready=1, oldest=timedelta(minutes=5))]),
        "warning",
        "the first in line has waited for 5 min: mail",
    ),
    "paused": (snapshot(pauses=[pause()]), "warning", "queue mail is paused by ann: the provider is down"),
    "behind": (
        snapshot(numbers=metrics(until=NOW - timedelta(minutes=9))),
        "warning",
        "rates are behind: they end at then; a worker brings them up to date",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said(name: str) -> None:
    now, severity, problem = WRONG[name]
    (found,) = troubles(now, lambda _: "then")
    assert (found.severity, found.line) == (severity, problem)
    if name != "behind":
        assert f"! {problem}" in text(now)


@pytest.mark.parametrize(
    "now",
    [
        snapshot(),
        snapshot([queue("mail", ready=7, oldest=timedelta(minutes=5), paused_at=NOW)]),
        snapshot(workers=[worker(), worker("old", status="DEAD", heartbeat_at=NOW - timedelta(hours=2))]),
        replace(snapshot(), at=NOW + timedelta(minutes=2)),
    ],
    ids=["all is well", "it waits for a pause", "a worker that died long ago", "the next minute is not closed yet"],
)
def test_what_is_not_wrong_is_not_said(now: Snapshot) -> None:
    assert troubles(now, str) == []
    assert "nothing is wrong" in text(now)


def test_errors_come_first_and_the_rest_is_counted() -> None:
    now = snapshot([queue("mail", ready=7, workers=0)], pauses=[pause("task", str(number)) for number in range(9)])
    lines = text(now, height=24)
    shown = [line for line in lines if line.startswith("!")]
    assert (len(shown), shown[0], shown[-1]) == (6, "! no worker serves mail: 7 ready", "! 5 more")
