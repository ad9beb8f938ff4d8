"""pgqueue worker, and python -m pgqueue.worker."""

import json
import signal
import sys

import pytest

from pgqueue import PgQueue
from pgqueue.cli.worker import parse_queues
from pgqueue.errors import ConfigurationError
from pgqueue.worker import WorkerOptions
from pgqueue.worker.launch import Launch, load_app

from ..looking import Look
from ..waiting import until
from .conftest import Run, Start
from .handler_start import wait_until_started

APP = "tests.cli.jobs:app"


def load(target: str, database_url: str | None = None, schema: str | None = None) -> PgQueue:
    return load_app(Launch(target, WorkerOptions(), database_url, schema))


@pytest.mark.parametrize("target", ["tests.cli.jobs:app", "tests.cli.jobs", "tests.cli.jobs:"])
def test_the_app_is_found(target: str) -> None:
    assert "sleep" in load(target).tasks


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("nowhere:app", "there is no module 'nowhere'"),
        ("tests.nowhere.jobs", "there is no module 'tests.nowhere'"),
        ("tests.cli.jobs:missing", "module 'tests.cli.jobs' has no 'missing'; did you mean tests.cli.jobs:app?"),
        ("tests.cli.jobs:no_app", "tests.cli.jobs:no_app is a str; it must be a PgQueue"),
        ("tests.cli.jobs:no_tasks", "tests.cli.jobs:no_tasks has 0 tasks; did you mean tests.cli.jobs:app?"),
        (":app", "'' is not the name of a module"),
        (".jobs:app", "'.jobs' is not the name of a module"),
    ],
)
def test_what_is_wrong_with_an_app_is_said(target: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^app: ") as error:
        load(target)
    assert message in str(error.value)


def test_url_and_schema_given_on_the_command_line_win_over_the_app(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "tests.cli.jobs", raising=False)  # its app has the database of whoever uses it first
    app = load("tests.cli.jobs:app", "postgresql://elsewhere", "other")
    sys.modules.pop("tests.cli.jobs")
    assert (app.url, app.statements.schema) == ("postgresql://elsewhere", "other")


def test_queues_have_weights() -> None:
    assert parse_queues("mail=3,default=1") == (("mail", 3.0), ("default", 1.0))
    assert parse_queues("mail, default=0.5") == (("mail", 1.0), ("default", 0.5))
    assert parse_queues("") == ()


@pytest.mark.parametrize("text", ["mail=", "=3", "mail=often", "mail,,default", ","])
def test_bad_queues_are_refused(text: str) -> None:
    if text == "mail=":
        assert parse_queues(text) == (("mail", 1.0),)
        return
    with pytest.raises(ConfigurationError, match="queues: "):
        parse_queues(text)


@pytest.mark.parametrize("program", [("pgqueue.worker",), ("pgqueue", "worker")])
def test_a_burst_runs_what_is_there_and_ends(start: Start, look: Look, program: tuple[str, ...]) -> None:
    ids = [look.value("select enqueue('pid')") for _ in range(3)]

    assert start(*program, APP, "--burst").ends() == 0

    assert [look.state(id) for id in ids] == ["succeeded"] * 3


def test_only_the_given_queues_are_worked_on(start: Start, look: Look) -> None:
    mail, default = look.value("select enqueue('mail', queue => 'mail')"), look.value("select enqueue('pid')")

    assert start("pgqueue.worker", APP, "--burst", "--queues", "mail=3", "--strict").ends() == 0

    assert (look.state(mail), look.state(default)) == ("succeeded", "ready")


def test_a_worker_is_known_by_its_name(start: Start, look: Look) -> None:
    process = start("pgqueue.worker", APP, "--name", "mailer", "--concurrency", "7", "--queues", "mail,default")
    until(lambda: look.value("select count(*) from worker"), "a worker is there")
    (worker,) = look.rows("select name, concurrency, queues from worker")
    assert worker == {"name": "mailer", "concurrency": 7, "queues": ["mail", "default"]}

    process.signal(signal.SIGTERM)
    assert process.ends() == 0
    assert look.value("select count(*) from worker") == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--concurrency", "0"), "concurrency: 0"),
        (("--queues", "mail=0"), "weight of 'mail'"),
        (("--grace", "-1"), "grace: -1"),
        (("--log-level", "loud"), "log_level: 'loud'"),
    ],
)
def test_a_bad_option_is_named_in_one_line(run: Run, options: tuple[str, ...], message: str) -> None:
    ran = run("worker", APP, *options)
    assert ran.code == 2
    assert message in ran.err
    assert (ran.out + ran.err).count("\n") == 1


def test_a_module_that_is_not_there_is_one_line(start: Start) -> None:
    process = start("pgqueue.worker", "nowhere:app")
    assert process.ends() == 2
    assert process.log().startswith("pgqueue: app: there is no module 'nowhere'")


def test_logs_are_json_where_stderr_is_no_terminal(start: Start) -> None:
    process = start("pgqueue.worker", APP, "--burst")
    assert process.ends() == 0
    lines = [json.loads(line) for line in process.log().splitlines()]
    assert {"timestamp", "level", "logger", "message"} <= lines[0].keys()
    assert any(line.get("worker_id") for line in lines)


def test_logs_for_people_on_request(start: Start) -> None:
    process = start("pgqueue.worker", APP, "--burst", "--log-format", "console")
    assert process.ends() == 0
    assert "INFO" in process.log()
    assert "{" not in process.log()


def test_a_handler_stuck_in_a_thread_does_not_outlive_the_grace(start: Start, look: Look) -> None:
    process = start("pgqueue.worker", APP, "--grace", "0.5")
    id = look.value("select enqueue('hold_thread', '{\"seconds\": 60}')")
    wait_until_started(look, id)

    process.signal(signal.SIGTERM)

    assert process.ends() == 0
    assert look.state(id) == "ready"
