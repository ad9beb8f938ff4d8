"""pgqueue queues, pause, resume, drain, and pauses in stats and job."""

from typing import Any

import psycopg

from ..client.manual_worker import ManualWorker
from ..looking import Look
from .conftest import Run


def test_without_queues_it_says_so(run: Run) -> None:
    assert run("queues").out == "no queues\n"
    assert run("queues", "--json").out == ""


def test_a_pause_says_who_why_and_until_everywhere_a_queue_shows(run: Run) -> None:
    (job,) = run("enqueue", "send", "--queue", "mail", "--json").lines
    ran = run("pause", "mail", "--until", "2050-01-01T14:00", "--reason", "mail is down", "--by", "ann")
    says = "queue mail is paused until 2050-01-01 14:00:00 by ann: mail is down"

    assert (ran.code, ran.out.startswith(f"{says} (since 20")) == (0, True)
    assert says in run("queues").out
    assert says in run("stats").out
    told = run("job", job["id"]).out
    assert "paused: queue 'mail' is paused until 2050-01-01 1" in told
    assert "by 'ann' (mail is down)" in told
    (row,) = run("queues", "--json").lines
    assert (row["name"], row["ready"], row["paused_by"], row["pause_reason"]) == ("mail", 1, "ann", "mail is down")
    assert [pause["by"] for pause in run("stats", "--json").lines[0]["pauses"]] == ["ann"]
    assert [pause["by"] for pause in run("job", job["id"], "--json").lines[0]["pauses"]] == ["ann"]
    assert run("resume", "mail").out == "queue mail resumed\n"
    assert run("resume", "mail").out == "queue mail was not paused\n"
    assert "paused" not in run("job", job["id"]).out


def test_tasks_and_everything_are_paused_and_resumed(run: Run, look: Look) -> None:
    (job,) = run("enqueue", "send", "--json").lines
    run("pause", "--task", "send", "--for", "1h")
    run("pause", "--everything")

    out = run("explain", job["id"]).out
    assert "everything is paused until it is resumed by '" in out
    assert "task 'send' is paused until 20" in out
    assert look.value("select by like '%%@%%' from pauses where kind = 'everything'") is True
    assert run("resume", "--task", "send").out.startswith("task send resumed\neverything is paused")
    assert run("resume", "--everything").out == "everything resumed\n"


def test_what_to_pause_must_be_clear(run: Run) -> None:
    for arguments in ([], ["mail", "--everything"], ["mail", "--for", "1h", "--until", "2050-01-01"], ["mail", "--for", "x"]):
        ran = run("pause", *arguments)
        assert (ran.code, ran.err.count("\n")) == (2, 1)


def test_a_drain_ends_with_1_while_jobs_run(run: Run, connection: psycopg.Connection[Any]) -> None:
    connection.execute("set search_path to pgqueue")
    manual_worker = ManualWorker(connection)
    run("enqueue", "send")
    (job,) = manual_worker.claim()
    ran = run("drain", "default", "--timeout", "0s")
    assert (ran.code, "queue 'default' is paused, and 1 of its jobs still run" in ran.err) == (1, True)
    manual_worker.finish(job)
    ran = run("drain", "default")
    assert (ran.code, ran.out) == (0, "queue default is paused, and none of its jobs runs\n")


def test_settings_are_set_shown_and_reset(run: Run) -> None:
    ran = run("queues", "set", "mail", "--max-ready", 100, "--starvation-after", "5m", "--no-keep-succeeded", "--dead-days", 3)
    says = "max_ready 100 (refuse), starvation_after 0:05:00 (share 0.25), keep_succeeded false, dead_days 3"
    assert (ran.code, ran.out) == (0, f"queue mail: {says}\n")
    assert says in run("queues").out
    assert run("queues", "set", "mail").code == 2
    assert run("queues", "set", "mail", "--on-full", "wait").code == 2
    assert run("queues", "reset", "mail").out == "queue mail: the defaults\n"
    assert run("queues", "reset", "mail").out == "queue mail: it had no settings\n"
