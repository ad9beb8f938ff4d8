"""Texts that a terminal obeys, or that read like others, pass through every command and every format of logs, and are shown."""

import json
import logging
import re
import sys
import unicodedata
import uuid
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from pgqueue import logs
from pgqueue._text import harmless, harmless_json, in_lines, one_line
from pgqueue.api import answers
from pgqueue.api.events.source import Event
from pgqueue.api.prometheus.exposition import _written
from pgqueue.api.prometheus.families import FAMILIES
from pgqueue.cli.root import LISTED
from pgqueue.database.calls.metrics import Sample
from pgqueue.logs.configure import Given
from tests.looking import Look
from tests.pool_agents import AGENT

from .conftest import Run

FORGED = "2030-01-31 12:00:00 ERROR forged"
HOSTILE = f"a\x1b[2J\x9b31m\x07\x7fb\u202egnp\u2066\u200e\u2028c\U000e0041\u200b d\n{FORGED}"
ONE_LINE = HOSTILE.replace("\n", " ")
LEFT = set("\t\n\u200c\u200d\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u0890\u0891\u08e2\U000110bd\U000110cd")
OBEYED = {
    chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) in ("Cc", "Cf", "Cs", "Zl", "Zp")
} - LEFT
ERROR = {"type": "E", "types": [], "message": HOSTILE, "traceback": f"Traceback\n  {HOSTILE}"}


def is_harmless(text: str) -> bool:
    """Whether nothing in it is obeyed, and no line is one of the text's own."""
    return not set(text) & OBEYED and not any(line.startswith(FORGED) for line in text.splitlines())


# The one function


def test_every_control_and_format_character_of_unicode_is_shown_and_nothing_else() -> None:
    every = [chr(code) for code in range(sys.maxunicode + 1)]
    blank = set("\u115f\u1160\u3164\uffa0")
    reserved = {chr(code) for code in (0x2065, *range(0x13430, 0x13440), *range(0xE0000, 0xE0100))}
    changed = {char for char in every if harmless(char) != char}
    assert changed >= OBEYED
    assert changed <= OBEYED | blank | reserved
    assert all(harmless(char).isascii() for char in changed)


def test_what_languages_and_emoji_are_written_with_stays() -> None:
    for text in (
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "क्\u200dष",
        "👩\u200d🚀",
        "❤\ufe0f",
        "葛\U000e0100",
        "naïve\tcafé\n",
    ):
        assert harmless(text) == text


def test_json_keeps_its_value() -> None:
    document = json.dumps({HOSTILE: [HOSTILE, "é"]}, ensure_ascii=False)
    assert json.loads(harmless_json(document)) == {HOSTILE: [HOSTILE, "é"]}
    assert not set(harmless_json(document)) & OBEYED
    assert "é" in harmless_json(document)


def test_a_line_is_one_and_further_lines_have_a_mark() -> None:
    assert one_line("a\nb\r\nc") == "a b c"
    assert in_lines("a\nb") == "a\n| b"


# The commands


@pytest.fixture
def stocked(look: Look) -> dict[str, str]:
    """An install in which every text that anybody may choose is hostile."""
    worker, token = uuid.uuid4(), uuid.uuid4()
    look.value("select register_worker(%s, %s, %s, 1, '0', %s, 1, '30 s')", worker, HOSTILE, HOSTILE, [HOSTILE])
    text = json.dumps(HOSTILE)
    job = look.value(
        "select enqueue(%s, jsonb_build_object(%s::text, %s::text), 'mail', meta => jsonb_build_object(%s::text, 1))",
        HOSTILE, HOSTILE, HOSTILE, HOSTILE,
    )  # fmt: skip
    look.rows("select claim(%s, %s, '{mail}', 1)", worker, token)
    look.value("select progress(%s, %s, 1, 2, %s)", job, token, HOSTILE)
    look.value("select save_step(%s, %s, 'step', %s::jsonb)", job, token, text)
    line = {"n": 1, "ago": 0, "level": "info", "message": HOSTILE, "fields": {HOSTILE: HOSTILE}}
    runs = [{"id": job, "token": str(token), "attempt": 1, "lines": [line]}]
    look.value("select add_log(%s, %s::jsonb)", worker, json.dumps(runs))
    look.value("select fail(%s, %s, %s::jsonb)", job, token, json.dumps(ERROR))
    dead = look.value("select enqueue(%s, retries => 0)", HOSTILE)
    look.rows("select claim(%s, %s, '{default}', 1)", worker, token)
    look.value("select fail(%s, %s, %s::jsonb)", dead, token, json.dumps(ERROR))
    nodes = [{"task": HOSTILE, "name": HOSTILE}, {"task": "b", "after": [HOSTILE]}]
    flow = look.value("select (enqueue_workflow(%s::jsonb, name => %s)).workflow_id", json.dumps(nodes), ONE_LINE)
    look.value("select set_queue('mail', '{\"max_ready\": 10}')")
    look.value("select pause('task', %s, reason => %s, by => %s)", ONE_LINE, HOSTILE, HOSTILE)
    look.value(
        "select set_schedule('nightly', jsonb_build_object('every', 60, 'job', jsonb_build_object('task', %s::text)))", HOSTILE
    )
    look.value("select set_limit('rate', 1, '60 s')")
    look.value("select enqueue('limited', limits => %s)", [f"rate:{ONE_LINE[:60]}"])
    look.value("select park(%s, now() + '1 h')", f"rate:{ONE_LINE[:60]}")
    look.value("select make_pool('mail', 'shop:app', by => %s)", HOSTILE)
    look.value(AGENT.replace("'here'", "%s::text"), "00000000-0000-0000-0000-000000000005", HOSTILE)
    figures = json.dumps({HOSTILE: HOSTILE})
    look.value("select note_pool('mail', 'cannot_start', %s, reason => %s, figures => %s::jsonb)", HOSTILE, HOSTILE, figures)
    operation = look.value(
        "select (start_operation('update', jsonb_build_object('task', array[%s::text]), '{\"priority\": 3}', %s, %s)).id",
        HOSTILE, HOSTILE, HOSTILE,
    )  # fmt: skip
    return {"job": str(job), "dead": str(dead), "flow": str(flow), "operation": str(operation)}


COMMANDS = [
    "stats", "queues", "limits", "limits get rate:{limit}", "metrics --by queue", "metrics --by task", "top --once", "workers",
    "jobs", "jobs --task {hostile}", "job {job}", "job {dead}", "job {job} --logs", "explain {job} {dead}", "dead",
    "dead --group fingerprint", "audit", "operations", "operation {operation}", "workflows", "workflow {flow}",
    "workflow {flow} --mermaid", "schedules", "schedule nightly", "schedules preview nightly", "doctor", "keys list",
    "enqueue {hostile}", "pause --task {hostile} --reason {hostile}", "resume --task {hostile}", "drain {hostile} --timeout 1",
    "queues set {hostile} --max-ready 5", "queues reset {hostile}", "limits park rate:{limit} --for 1h",
    "limits unpark rate:{limit}", "limits reset rate:{limit}", "limits delete {hostile}", "limits set {hostile} --rate 1/m",
    "schedules set {hostile} --every 60s", "schedules set nightly --task {hostile}", "schedules trigger nightly",
    "schedules pause nightly", "schedules resume nightly", "schedules delete {hostile}", "schedule {hostile}", "pools",
    "pool mail", "pools events mail", "pool {hostile}", "pools make {hostile} {hostile}", "pools set mail --queues {hostile}",
    "pools scale mail {hostile}", "pools autoscale mail --rule {hostile}", "pools roll mail --reason {hostile}",
    "pools pause mail --reason {hostile}", "pools resume {hostile}", "pools delete mail --reason {hostile}",
    "signal {job} {hostile}", "update {job} --priority 5 --by {hostile}", "cancel {job} --reason {hostile}",
    "retry {dead} --by {hostile}", "discard {dead} --reason {hostile}", "retry-workflow {flow}", "cancel-workflow {flow}",
    "keys create --role viewer --name {hostile}", "keys revoke {hostile}", "maintain", "jobs --state {hostile}", "{hostile}",
    "job {hostile}", "jobs --schema {hostile}", "serve --host {hostile}", "worker {hostile}", "agent {hostile} --slots 1",
    "migrate --schema {hostile}", "stacks {hostile} --wait 0", "stacks {job}", "dev {hostile} --watch {hostile}",
    "drain-worker {hostile} --by {hostile}", "restart-worker {job} --by {hostile}", "monitor --once",
]  # fmt: skip


def harmful(run: Run, stocked: dict[str, str], commands: list[str]) -> list[str]:
    """The commands that print something that is obeyed, or a line that a text has made."""
    words = {**stocked, "hostile": HOSTILE, "limit": ONE_LINE[:60]}
    found = []
    for command in commands:
        ran = run(*(word.format_map(words) for word in command.split()))
        if not is_harmless(ran.out) or not is_harmless(ran.err):
            found.append(command)
    return found


def test_no_command_prints_what_a_terminal_obeys(run: Run, stocked: dict[str, str]) -> None:
    assert harmful(run, stocked, COMMANDS) == []
    assert {command.partition(" ")[0] for command in COMMANDS} >= LISTED.keys() - {"monitor"}  # the same as top


def test_no_command_prints_it_as_json_either(run: Run, stocked: dict[str, str]) -> None:
    left_out = ("worker", "agent", "serve", "dev", "{", "workflow {flow} -", "workflow {flow} --mermaid")
    commands = [f"{command.removesuffix(' --once')} --json" for command in COMMANDS if not command.startswith(left_out)]
    assert harmful(run, stocked, commands) == []


def test_a_traceback_that_nobody_expected_is_harmless_and_has_no_secret(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise ValueError(f"password=hunter2 {HOSTILE}")

    monkeypatch.setattr(import_module("pgqueue.cli.stats"), "Session", fail)
    ran = run("stats")
    assert (ran.code, ran.out) == (1, "")
    assert is_harmless(ran.err)
    assert "ValueError: password=[redacted] a\\x1b" in ran.err
    assert "hunter2 " not in ran.err


def test_json_has_the_hostile_names_as_they_are(run: Run, stocked: dict[str, str]) -> None:
    assert json.loads(run("job", stocked["job"], "--json").out)["task"] == HOSTILE


def test_every_command_prints_through_what_makes_text_harmless() -> None:
    bare = {
        f"{path.stem}: {line.strip()}"
        for path in (Path(logs.__file__).parents[1] / "cli").glob("*.py")
        for line in path.read_text().splitlines()
        if re.search(r"(?<![\w.])print\(|typer\.echo\(|\bConsole\((?!Console)|stdout\.write|stderr\.write", line)
    }
    assert {line.split(":")[0] for line in bare} == {"__init__", "api_keys", "failures", "output"}, bare


# The logs


@pytest.fixture
def root() -> Iterator[None]:
    """The root logger, as it was afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


def say_hostile_things() -> None:
    """Log hostile texts in every place of a line."""
    log = logging.getLogger("pgqueue.worker")
    fields: dict[str, Any] = {"task": HOSTILE, "many": [HOSTILE], "more": {HOSTILE: HOSTILE}}
    log.warning("job failed: %s", HOSTILE, extra=fields, stack_info=True)
    log.warning({"text": HOSTILE})
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        log.exception("failed")


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("format", ["json", "console"])
def test_logs_show_hostile_texts_and_no_text_makes_a_line_of_its_own(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, format: str
) -> None:
    logs.configure(Given(format=format, file=str(tmp_path / "log")))
    say_hostile_things()
    for written in (capsys.readouterr().out, (tmp_path / "log").read_text()):
        assert "forged" in written
        assert is_harmless(written)
        assert not re.search(r"^\S+ +ERROR +forged", written, re.M)
    if format == "json":
        first = json.loads((tmp_path / "log").read_text().splitlines()[0])
        assert (first["task"], first["more"]) == (HOSTILE, {HOSTILE: HOSTILE})


# The API


def test_answers_streams_and_labels_of_the_api_have_nothing_that_a_terminal_obeys() -> None:
    """curl shows them on one."""
    value = {HOSTILE: [HOSTILE, "é"]}
    answer = bytes(answers.json(value).body)
    stream = Event("1", "log", value).written()
    name, family = next((name, family) for name, family in FAMILIES.items() if family.labels)
    metrics = _written([Sample(name, [HOSTILE] * len(family.labels), 1.0)], False)
    assert json.loads(answer) == value
    for body in (answer, stream, metrics):
        assert "gnp" in body.decode()
        assert is_harmless(body.decode())
