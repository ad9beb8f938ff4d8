"""Hostile texts on their way out: the command line and logs show them, and neither render nor obey them."""

import json
import logging
import uuid

import psycopg
import pytest
from psycopg import sql

from pgqueue.logs import Format, Given, configure
from tests.cli.conftest import run_here
from tests.looking import Look

from .conftest import DEEP, ESCAPES, LONG, OBEYED, TEXTS, Run, by_name


@by_name
def test_the_command_line_shows_a_hostile_text_literally(run: Run, look: Look, text: str) -> None:
    added = run("enqueue", "--json", "--", text, json.dumps({"text": text}))
    id = str(json.loads(added.out)["id"])
    assert json.loads(run("jobs", "--json", "--task", text).out)["task"] == text
    shown = " ".join(text.split())
    for char in OBEYED:
        shown = shown.replace(char, f"\\x{ord(char):02x}" if char < "\x80" or char == "\x9b" else f"\\u{ord(char):04x}")
    for command in (("jobs",), ("job", id), ("stats",)):
        ran = run(*command)
        assert ran.code == 0
        if command != ("stats",):
            assert shown in ran.out
        assert not set(ran.out) & OBEYED


def test_the_command_line_shows_a_hostile_traceback_literally(run: Run, look: Look) -> None:
    worker, token = uuid.uuid4(), uuid.uuid4()
    look.value("select register_worker(%s, 'w', 'h', 1, '0', '{}', 1, '30 s')", worker)
    id = look.value("select enqueue('fine')")
    look.rows("select claim(%s, %s, '{default}', 1)", worker, token)
    text = f"[red]boom[/red] {ESCAPES}"
    error = {"type": text, "types": [], "message": text, "traceback": f"Traceback\n\t{text}"}
    look.value("select fail(%s, %s, %s::jsonb)", id, token, json.dumps(error))
    look.rows("update job set state = 'ready'")
    for command in (("job", str(id)), ("jobs",), ("dead",)):
        ran = run(*command)
        assert not set(ran.out) & OBEYED
    assert run("job", str(id)).out.count("[red]boom[/red] \\x1b[31mred") == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ("enqueue", LONG),
        ("enqueue", "a\ud800b"),
        ("enqueue", "a\x00b"),
        ("enqueue", "fine", '{"x": "\\u0000"}'),
        ("enqueue", "fine", '{"x": "\\ud800"}'),
        ("enqueue", "fine", '{"x": ' + DEEP + "}"),
        ("enqueue", "fine", '{"x": ' + "9" * 6000 + "}"),
        ("enqueue", "fine", '{"x": 1e999999}'),
        ("enqueue", "fine", '{"x": NaN}'),
        ("enqueue", "fine", "--queue", TEXTS["sql"]),
        ("enqueue", "fine", "--queue", LONG),
        ("enqueue", "fine", "--run-after", TEXTS["sql"]),
        ("enqueue", "fine", "--priority", "9" * 30),
        ("enqueue", "fine", "--retries", "9" * 30),
        ("cancel", "9" * 30),
        ("jobs", "--queue", "a\ud800b"),
        ("jobs", "--schema", "a\x00b"),
        ("jobs", "--schema", TEXTS["markup"] + ESCAPES),
    ],
    ids=lambda arguments: " ".join(arguments)[:40].encode("ascii", "backslashreplace").decode().replace("\x00", "NUL"),
)
def test_the_command_line_refuses_in_one_line(run: Run, look: Look, arguments: tuple[str, ...]) -> None:
    ran = run(*arguments)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert not set(ran.err) & OBEYED
    assert len(ran.err) < 600
    assert look.live() == 0


@pytest.mark.parametrize("arguments", [("jobs", "--state", "[red]x[/red]"), ("[red]nonsense[/red]",)])
def test_usage_errors_show_markup_literally(run: Run, arguments: tuple[str, ...]) -> None:
    ran = run(*arguments)
    assert ran.code == 2
    assert arguments[-1] in ran.err


# Where the names of the install go.


@pytest.mark.parametrize("schema", [TEXTS["sql"], TEXTS["quotes"], TEXTS["python format"], TEXTS["markup"]])
def test_a_hostile_schema_is_only_a_name(
    empty_database_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, schema: str
) -> None:
    monkeypatch.setenv("PGQUEUE_DATABASE_URL", empty_database_url)
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("create table job (id int)")
    for command in (("migrate",), ("enqueue", "fine"), ("jobs",), ("cancel", "1"), ("stats",)):
        assert run_here(capsys, *command, "--schema", schema).code == 0
    with psycopg.connect(empty_database_url) as connection:
        assert connection.execute("select count(*) from public.job").fetchone() == (0,)
        history = sql.SQL("select count(*) from {}").format(sql.Identifier(schema, "job_history"))
        assert connection.execute(history).fetchone() == (1,)


def test_logs_for_people_show_names_literally(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        configure(Given(format=Format.console))
        logging.getLogger("pgqueue.worker").warning("job failed: %s", "[red]x[/red] \x1b[31m", extra={"task": f"a{ESCAPES}"})
        out = capsys.readouterr().out
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    assert "[red]x[/red] \\x1b[31m" in out
    assert not set(out) & OBEYED
