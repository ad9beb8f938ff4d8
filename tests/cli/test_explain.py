"""pgqueue explain, and the first three mistakes, which answer themselves."""

import sys
from pathlib import Path

import pytest

from pgqueue.errors import ConfigurationError
from pgqueue.worker import WorkerOptions
from pgqueue.worker.launch import Launch, load_app

from ..looking import Look
from .conftest import Run, run_here


def test_each_cause_is_a_sentence_and_fits_80_columns(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgqueue.cli.output.PIPED_WIDTH", 80)
    (job,) = run("enqueue", "send", "--queue", "mail", "--json").lines
    run("pause", "mail", "--until", "2050-01-01T14:00Z", "--reason", "mail is down \x1b[31m", "--by", "ann")

    ran = run("explain", job["id"])

    lines = ran.out.splitlines()
    assert (ran.code, lines[0]) == (0, f"job {job['id']}")
    assert lines[1].startswith("  paused        queue 'mail' is paused until 2050-01-01 14:00:00 UTC (in ")
    assert lines[-2:] == [
        "  no_worker     no worker is alive that serves queue 'mail'; start one with",
        "                pgqueue worker",
    ]
    assert (max(map(len, lines)) <= 80, "\x1b" in ran.out) == (True, False)


def test_json_has_a_document_for_each_job_and_an_unknown_one_is_told(run: Run) -> None:
    (job,) = run("enqueue", "send", "--json").lines

    ran = run("explain", job["id"], job["id"] + 1, "--json")

    (explained,) = ran.lines
    assert (ran.code, explained["id"]) == (3, job["id"])
    assert f"there is no job {job['id'] + 1}" in ran.err
    assert explained["causes"][0] == {
        "cause": "no_worker",
        "says": "no worker is alive that serves queue 'default'; start one with pgqueue worker",
        "until": None,
        "details": {"queue": "default", "queues": [], "workers_alive": 0, "did_you_mean": None},
    }


def test_a_job_that_waits_names_the_decisive_cause(run: Run, look: Look) -> None:
    (job,) = run("enqueue", "send", "--json").lines
    run("pause", "--everything", "--by", "ann")

    said = run("job", job["id"]).out.splitlines()[1]

    assert said.startswith("paused: everything is paused until it is resumed by 'ann'")
    assert said.endswith(f" (and 1 more: pgqueue explain {job['id']})")
    assert [cause["cause"] for cause in run("job", job["id"], "--json").lines[0]["causes"]] == ["paused", "no_worker"]
    run("cancel", job["id"])
    assert run("job", job["id"], "--json").lines[0]["causes"] == []


def test_a_running_job_names_its_worker_in_its_first_lines(run: Run, look: Look) -> None:
    (job,) = run("enqueue", "send", "--json").lines
    look.value("select register_worker(gen_random_uuid(), 'desk', 'host', 7, '0', '{default}', 1, '1 h')::text")
    look.rows("select * from claim((select id from worker), gen_random_uuid(), '{default}', 1)")
    said = run("job", job["id"]).out.splitlines()[1]
    assert said.startswith("running: worker 'desk' (process 7 on host) has been running it since 2")


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("seller:app", "app: seller:app has 0 tasks; did you mean seller_shop.mail:app?"),
        ("selle:app", " or on sys.path; did you mean seller?"),
        ("seller:ap", "app: module 'seller' has no 'ap'; did you mean seller:app?"),
    ],
)
def test_a_worker_without_the_module_of_its_tasks_says_which_was_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, says: str
) -> None:
    (tmp_path / "seller.py").write_text("from pgqueue import PgQueue\napp = PgQueue()\n")
    (tmp_path / "seller_shop").mkdir()
    (tmp_path / "seller_shop" / "mail.py").write_text("from seller import app\n\n\n@app.task\ndef welcome() -> None: ...\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "seller", raising=False)

    with pytest.raises(ConfigurationError) as error:
        load_app(Launch(target, WorkerOptions()))

    assert str(error.value).endswith(says)


def test_a_task_that_no_worker_knows_is_named_with_those_that_workers_alive_know(run: Run, look: Look) -> None:
    (job,) = run("enqueue", "welcom", "--json").lines
    look.value(
        "select register_worker(gen_random_uuid(), 'w', 'host', 1, '0', '{default}', 1, '1 h', tasks => '{welcome,send}')::text"
    )

    for command in ("explain", "job"):
        said = " ".join(run(command, job["id"]).out.split())
        assert "it waits for a worker that knows 'welcom'; workers alive of queue 'default' know 'send', 'welcome'" in said
        assert "did you mean 'welcome'?" in said


@pytest.mark.parametrize("command", [("enqueue", "welcome"), ("explain", "1"), ("worker", "tests.cli.jobs:app", "--burst")])
def test_before_migrate_was_run_every_command_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, empty_database_url: str, command: tuple[str, ...]
) -> None:
    monkeypatch.setattr("pgqueue.logs.configure", lambda *_: None)
    # Its app has the database of whoever uses it first.
    monkeypatch.delitem(sys.modules, "tests.cli.jobs", raising=False)
    ran = run_here(capsys, *command, "--database-url", empty_database_url)
    sys.modules.pop("tests.cli.jobs", None)
    assert ran.code == 2
    assert ran.err.rstrip().endswith("run `pgqueue migrate`")
