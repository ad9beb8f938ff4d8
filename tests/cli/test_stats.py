"""pgqueue stats, pgqueue workers, pgqueue dead."""

from collections.abc import Callable

import pytest

from pgqueue import PgQueue

from ..looking import Look
from .conftest import Run

Work = Callable[[], None]


def test_stats_of_queues_and_tasks(run: Run, app: PgQueue, work: Work) -> None:
    app.tasks["add"].enqueue(1, 2)
    app.tasks["fail"].enqueue("no")
    work()
    app.tasks["add"].using(priority=7).enqueue_many([(1, 1), (2, 2)])

    (stats,) = run("stats", "--json").lines

    (queue,) = stats["queues"]
    assert (queue["queue"], queue["state"], queue["priority"], queue["jobs"]) == ("default", "ready", 7, 2)
    assert queue["oldest"] >= 0
    assert [(task["task"], task["succeeded"], task["dead_letters"]) for task in stats["tasks"]] == [("add", 1, 0), ("fail", 0, 1)]
    readable = run("stats").out
    assert "default   ready" in readable
    assert "p95" in readable


def test_stats_of_an_empty_install(run: Run) -> None:
    assert run("stats").out == "no live jobs\nno tasks in the last hour\n"
    assert run("stats", "--json").lines == [{"queues": [], "tasks": [], "pauses": [], "unserved": []}]


def test_stats_say_which_jobs_no_worker_may_run(run: Run, look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    register = "select register_worker(gen_random_uuid(), 'w', 'host', 1, '0', '{mail}', 1, '1 h', tasks => '{welcome}')::text"
    look.value(register)
    (misspelt,) = run("enqueue", "welcome", "--queue", "mial", "--json").lines
    (unknown,) = run("enqueue", "welcom", "--queue", "mail", "--json").lines

    lines = [line.split() for line in run("stats").out.splitlines()]
    said = " ".join(word for line in lines for word in line)

    ready = {line[0]: line[-1] for line in lines if line[1:2] == ["ready"]}
    assert ready["mail"] == "1"
    assert ready["mial"] != "0", "nobody could know its task"
    assert (
        "no worker is alive that serves queue 'mial'; 1 other worker is alive, for 'mail'; did you mean 'mail'? "
        f"(such as job {misspelt['id']})" in said
    )
    assert (
        "ready jobs wait for a worker that knows 'welcom'; workers alive of queue 'mail' know 'welcome'; did you mean 'welcome'? "
        f"(such as job {unknown['id']})" in said
    )
    (stats,) = run("stats", "--json").lines
    assert [(one["queue"], one["task"]) for one in stats["unserved"]] == [("mial", None), ("mail", "welcom")]
    monkeypatch.setattr("pgqueue.cli.stats.MOST_TOLD", 1)
    assert "and others: pgqueue stats --json" in run("stats").out


def test_workers_and_how_they_are(run: Run, look: Look) -> None:
    register = "select register_worker(gen_random_uuid(), %s, 'host', 1, '0', '{mail,default}', 10, %s::interval)"
    look.value(register, "alive", "1 hour")
    look.value(register, "silent", "1 us")

    listed = run("workers", "--json").lines

    assert {worker["name"]: worker["status"] for worker in listed} == {"alive": "IDLE", "silent": "DEAD"}
    assert {worker["name"]: worker["lease"] for worker in listed} == {"alive": 3600.0, "silent": 1e-06}
    assert "mail, default" in run("workers").out


def test_workers_show_what_runs_now(run: Run, look: Look) -> None:
    worker = "00000000-0000-0000-0000-000000000007"
    look.value("select register_worker(%s, 'one', 'host', 1, '0', '{default}', 100, '1 hour')", worker)
    look.rows("select enqueue('send') from generate_series(1, 130)")
    ids = look.value("select array_agg(id) from claim(%s, gen_random_uuid(), '{default}', 125) where id is not null", worker)
    look.value("select workers from heartbeat(%s, %s, 'notify')", worker, ids[1:2])
    look.rows("update job set claimed_at = claimed_at - interval '2 h' where id = %s", ids[2])

    (listed,) = run("workers", "--json").lines
    lines = run("workers").out.splitlines()

    assert [job["id"] for job in listed["jobs"]] == sorted(ids)[:100]
    assert [job["id"] for job in listed["jobs"] if job["started"]] == ids[1:2]
    assert 7200 <= listed["jobs"][2]["age"] < 7300
    (head,) = [at for at, line in enumerate(lines) if line.split()[:3] == ["job", "task", "queue"]]
    assert lines[head + 2].split()[:5] == [str(ids[2]), "send", "default", "one", "1"]
    assert lines[head + 2].split()[-1].startswith("2:00:")
    assert sum("send" in line for line in lines) == 20
    assert lines[-1] == "more of them: pgqueue jobs state:running"


def test_a_worker_is_active_from_its_first_job_on_not_from_its_next_heartbeat(run: Run, look: Look) -> None:
    worker = "00000000-0000-0000-0000-000000000007"
    look.value("select register_worker(%s, 'one', 'host', 1, '0', '{default}', 100, '1 hour')", worker)
    look.rows("select enqueue('send') from generate_series(1, 2)")
    look.rows("select id from claim(%s, gen_random_uuid(), '{default}', 2)", worker)

    assert ["one", "ACTIVE"] in [line.split()[:2] for line in run("workers").out.splitlines()]
    assert [row["status"] for row in run("workers", "--json").lines] == ["ACTIVE"]


def test_workers_that_run_nothing_show_no_jobs(run: Run, look: Look) -> None:
    look.value("select register_worker(gen_random_uuid(), 'idle', 'host', 1, '0', '{default}', 10, '1 hour')")

    assert "job " not in run("workers").out
    assert run("workers", "--json").lines[0]["jobs"] == []


def test_dead_letters_with_their_errors(run: Run, app: PgQueue, work: Work) -> None:
    id = app.tasks["fail"].enqueue("no such address").id
    work()

    (letter,) = run("dead", "--json").lines

    assert (letter["id"], letter["error_type"], letter["error_message"]) == (id, "ValueError", "no such address")
    assert "raise ValueError" in letter["traceback"]
    assert "ValueError: no such address" in run("dead", "--queue", "mail").out
    assert run("dead", "--task", "add").out == "no dead letters\n"


def test_dead_letters_run_again(run: Run, app: PgQueue, work: Work, look: Look) -> None:
    app.tasks["fail"].enqueue_many([("one",), ("two",)])
    work()

    ran = run("dead", "--retry", "--task", "fail")

    assert (ran.code, ran.out.count("runs again")) == (0, 2)
    assert look.count("ready") == 2
    assert run("dead", "--retry", "--json").out == ""


def test_letters_are_listed_up_to_the_limit(run: Run, app: PgQueue, work: Work) -> None:
    app.tasks["fail"].enqueue_many([("one",), ("two",)])
    work()
    assert len(run("dead", "--limit", "1", "--json").lines) == 1
