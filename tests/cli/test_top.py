"""pgqueue top on a terminal, and without one."""

import signal
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from pgqueue import PgQueue

from .conftest import Run
from .terminal import Terminal

Open = Callable[..., Terminal]


@pytest.fixture
def open_top(database_url: str) -> Iterator[Open]:
    """Opens `pgqueue top` on a terminal."""
    opened: list[Terminal] = []

    def open_one(*arguments: str, **size: int) -> Terminal:
        opened.append(Terminal("top", "--every", "0.5", *arguments, database_url=database_url, **size))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


def test_without_a_terminal_it_prints_one_page(run: Run, app: PgQueue, work: Callable[[], None]) -> None:
    app.tasks["add"].enqueue_many([(1, 1)] * 3)
    app.pause("mail", by="ann", reason="the provider is down")
    ran = run("top")
    assert (ran.code, "3 ready" in ran.out, "sort" in ran.out) == (0, True, False)
    for words in ("! no worker serves default: 3 ready", "! queue mail is paused by ann: the provider is down"):
        assert words in ran.out
    assert "no tasks" in run("top", "--once", "--by", "task").out

    (now,) = run("top", "--json").lines
    assert [(queue["name"], queue["ready"]) for queue in now["queues"]] == [("default", 3), ("mail", 0)]
    assert [(trouble["severity"], trouble["problem"][:9]) for trouble in now["wrong"]] == [
        ("error", "no worker"), ("warning", "queue mai"),
    ]  # fmt: skip
    assert (now["workers"], now["pauses"][0]["by"], now["metrics"]["all"]["succeeded"]) == ([], "ann", 0)


@pytest.mark.parametrize("arguments", [("--every", "0.1"), ("--every", "often"), ("--window", "5"), ("--by", "worker")])
def test_bad_input(run: Run, arguments: tuple[str, ...]) -> None:
    ran = run("top", *arguments)
    assert (ran.code, ran.out, arguments[0][2:] in ran.err) == (2, "", True)


def test_a_live_page_follows_keys_and_the_install_and_gives_the_terminal_back(open_top: Open, app: PgQueue, work: Any) -> None:
    terminal = open_top()
    page = terminal.shows("nothing is wrong")
    assert (len(page), max(map(len, page)) <= 80, page[-1].startswith("q quit t tasks  sort n name r ready")) == (24, True, True)
    app.tasks["add"].enqueue_many([(1, 1)] * 3)
    terminal.shows("! no worker serves default: 3 ready")
    terminal.press("t")
    terminal.shows("no tasks")
    assert terminal.modes() != terminal.before
    terminal.press("q")
    assert (terminal.ends(), terminal.has_left_the_page, terminal.modes()) == (0, True, terminal.before)


def test_a_server_that_is_silent_stops_neither_the_page_nor_its_end(
    open_top: Open, connect: Callable[..., psycopg.Connection[Any]]
) -> None:
    terminal = open_top(columns=60, rows=10)
    assert len(terminal.shows("nothing is wrong")) == 10
    connect(autocommit=False).execute("lock table job")
    terminal.shows("old: the server")
    terminal.signal(signal.SIGTERM)
    assert (terminal.ends(), terminal.has_left_the_page, terminal.modes()) == (128 + signal.SIGTERM, True, terminal.before)


def test_it_survives_an_outage_and_says_how_old_its_figures_are(
    open_top: Open, connection: psycopg.Connection[Any], server_url: str
) -> None:
    terminal = open_top()
    terminal.shows("  every ")
    name = connection.info.dbname
    with psycopg.connect(server_url, autocommit=True) as server:
        server.execute(sql.SQL("alter database {} allow_connections false").format(sql.Identifier(name)))
        server.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])
        terminal.shows("old: cannot connect")
        server.execute(sql.SQL("alter database {} allow_connections true").format(sql.Identifier(name)))
    terminal.shows("  every ")
    terminal.press("\x03")  # Ctrl-C
    assert (terminal.ends(), terminal.modes()) == (0, terminal.before)
