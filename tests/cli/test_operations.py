"""cancel, retry, discard and update by a filter; operations, operation."""

import json
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from pgqueue import PgQueue

from ..looking import Look
from ..waiting import until
from .conftest import CHECKOUT, Run

Work = Callable[[], None]


def dead(look: Look, count: int, queue: str = "mail") -> None:
    """So many dead letters."""
    look.rows("select enqueue('fail', retries => 0, queue => %s) from generate_series(1, %s)", queue, count)
    look.value("select register_worker(gen_random_uuid(), 'w', 'h', 1, '0', array[%s], 9, '30 s')", queue)
    token = "00000000-0000-0000-0000-000000000001"
    look.rows("select id from claim((select id from worker), %s::uuid, array[%s], %s)", token, queue, count)
    look.rows(
        "select finish((select jsonb_agg(jsonb_build_object('id', id, 'token', %s::text, 'state', 'failed')) from job "
        "where state = 'running'))",
        token,
    )
    look.rows("delete from worker")


def test_waiting_jobs_are_cancelled_by_a_filter(run: Run, look: Look) -> None:
    look.rows("select enqueue('send', queue => 'mail') from generate_series(1, 3)")
    look.value("select enqueue('send')")

    ran = run("cancel", "--queue", "mail", "--note", "wrong customers", "--by", "ann")

    assert (ran.code, ran.out) == (0, "operation 1 done: of 3 jobs: 3 cancelled\n")
    assert (look.count("cancelled"), look.count("ready")) == (3, 1)
    assert look.rows("select by, reason from operations") == [{"by": "ann", "reason": "wrong customers"}]


def test_jobs_move_to_another_queue(run: Run, look: Look) -> None:
    look.rows("select enqueue('send', queue => 'mail') from generate_series(1, 3)")
    assert run("update", "--queue", "mail", "--to-queue", "slow").out == "operation 1 done: of 3 jobs: 3 updated\n"
    assert look.value("select count(*) from job where queue = 'slow'") == 3


def test_jobs_are_named_by_a_text(run: Run, look: Look) -> None:
    dead(look, 2)
    look.rows("select enqueue('send', queue => 'mail') from generate_series(1, 3)")
    look.value("select enqueue('send')")

    assert run("jobs", "queue:mail state:ready", "--count").out == "3\n"
    assert run("jobs", "state:failed", "--since", "1h", "--count").out == "2\n"
    assert run("dead", "queue:mail", "since:1h", "--json").out.count("\n") == 2
    ran = run("cancel", "queue:mail task:send")

    assert (ran.code, ran.out) == (0, "operation 1 done: of 3 jobs: 3 cancelled\n")
    assert look.count("ready") == 1
    assert run("cancel", "send").code == 2
    assert run("jobs", "queu:mail").err.startswith("pgqueue: q: 'queu:mail' is not valid; use queue:")


def test_who_did_it_is_the_user_on_this_machine(run: Run, look: Look) -> None:
    run("cancel", "--queue", "mail")

    assert "@" in look.value("select by from operations")


def test_an_id_of_no_job_is_told(run: Run, look: Look) -> None:
    dead(look, 1)

    ran = run("discard", 1, 999)

    assert (ran.code, ran.out, ran.err) == (
        3,
        "operation 1 done: of 1 job: 1 discarded\n",
        "pgqueue: of 2 ids there is no job for 1\n",
    )


def test_the_one_id_of_no_job_is_named(run: Run) -> None:
    ran = run("discard", 999)

    assert (ran.code, ran.err) == (3, "pgqueue: there is no job 999\n")


def test_who_says_why_as_the_reason_of_the_filter_is_told_of_the_note(run: Run, look: Look) -> None:
    dead(look, 1)

    ran = run("discard", 1, "--reason", "a test card")

    assert ran.code == 2
    assert ran.err.startswith("pgqueue: reason: 'a test card' is not valid; use error, ")
    assert ran.err.endswith("; to say why you do it, use --note\n")
    assert look.count("failed") == 1


def test_the_pace_of_an_operation_is_shown_in_jobs(run: Run, look: Look) -> None:
    dead(look, 1)
    run("retry", 1, "--per-second", "5")

    assert any(line.split() == ["per", "second", "5", "jobs"] for line in run("operation", "1").out.splitlines())


def test_a_dry_run_changes_nothing(run: Run, look: Look) -> None:
    dead(look, 2)
    look.value("select enqueue('send', queue => 'mail')")

    ran = run("retry", "--queue", "mail", "--dry-run")

    assert ran.out == "operation 1 done (dry run: nothing was changed): of 2 jobs: 2 would be retried\n"
    assert (look.count("failed"), look.count("ready")) == (2, 1)
    assert any(line.split()[:5] == ["1", "retry", "(dry", "run)", "done"] for line in run("operations").out.splitlines())


def test_dead_letters_are_retried_discarded_and_what_is_left_alone_is_told(run: Run, look: Look) -> None:
    dead(look, 3)
    ids = [row["id"] for row in look.rows("select id from dead_letter order by id")]

    assert run("retry", ids[0], "--watch", "--json").lines[-1]["did"] == {"retried": 1}
    ran = run("discard", *ids, "--json")

    assert (ran.lines[0]["did"], ran.lines[0]["skipped_by_reason"]) == ({"discarded": 2}, {"is ready": 1})
    assert run("discard", "--queue", "mail").out == "operation 3 done: of 0 jobs: 0 discarded\n"


def test_a_discarded_job_says_who_has_discarded_it_and_why(run: Run, look: Look) -> None:
    dead(look, 1)
    id = look.value("select id from dead_letter")

    run("discard", id, "--by", "ann", "--note", "rows of the old format")
    ran = run("job", id)

    assert (ran.code, ran.out) == (3, "")
    assert ran.err.startswith(f"pgqueue: job {id} is not kept any more: 'ann' has discarded it at ")
    assert ran.err.endswith(": rows of the old format\n")
    assert "ann" in run("audit", "--kind", "operation").out
    assert "it never existed" in run("job", 4711).err


def test_jobs_are_changed_by_a_filter(run: Run, look: Look) -> None:
    look.rows("select enqueue('send', queue => 'mail') from generate_series(1, 2)")

    ran = run("update", "--queue", "mail", "--priority", "high", "--run-after", "1h")

    assert ran.out == "operation 1 done: of 2 jobs: 2 updated\n"
    assert look.rows("select distinct priority, state::text from jobs") == [{"priority": 50, "state": "scheduled"}]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cancel"], "filter: it names nothing; give ids, options of a filter such as --queue, or --all"),
        (["retry"], "filter: it names nothing; "),
        (["retry", "--state", "failed"], "filter: it names nothing; "),
        (["discard"], "filter: it names nothing; "),
        (["update", "--priority", "1"], "filter: it names nothing; "),
        (["update", "--queue", "mail"], "update: nothing is to change; give --priority, --run-at, --run-after or --to-queue"),
        (["cancel", "--state", "failed"], "state: 'failed' is not valid; cancel acts on jobs that are blocked"),
        (["cancel", "--queue", "mail", "--per-second", "0"], "per_second: '0' is not valid"),
        (["cancel", "--queue", "mail", "--note", "x" * 1001], "reason: "),
    ],
)
def test_what_is_invalid_is_refused_in_one_line(run: Run, look: Look, arguments: list[str], message: str) -> None:
    look.value("select enqueue('send', queue => 'mail')")

    ran = run(*arguments)

    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert ran.err.startswith(f"pgqueue: {message}")
    assert look.count("ready") == 1


def test_all_jobs_are_meant_if_that_is_said(run: Run, look: Look) -> None:
    look.rows("select enqueue('send') from generate_series(1, 2)")

    assert run("cancel", "--all").out == "operation 1 done: of 2 jobs: 2 cancelled\n"


def test_some_thousand_jobs_are_over_when_the_command_ends_without_any_worker(run: Run, look: Look) -> None:
    look.rows("select count(*) from enqueue_many('send', (select jsonb_agg('{}'::jsonb) from generate_series(1, 1500)))")

    assert run("cancel", "--queue", "default", "--watch").out.splitlines()[-1] == (
        "operation 1 done: of 1,500 jobs: 1,500 cancelled"
    )


def test_a_paced_one_is_left_to_the_workers_and_can_be_watched_and_cancelled(
    run: Run, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgqueue.cli.bulk.STAYS", 0.0)
    look.rows("select enqueue('send') from generate_series(1, 10)")

    begun = run("cancel", "--queue", "default", "--per-second", "0.01")
    assert begun.out.splitlines() == [
        "operation 1 running: of 10 jobs: 1 cancelled, 9 left over",
        "the workers go on with it; see pgqueue operation 1 --watch",
    ]
    assert "operation 1 running" in run("operation", 1).out
    ended = run("operation", 1, "--cancel", "--by", "bob")

    assert ended.out.splitlines()[0] == "operation 1 cancelled: of 10 jobs: 1 cancelled, 9 left over"
    assert "bob" in ended.out
    again = run("operation", 1, "--cancel")
    assert (again.code, again.err) == (
        1, "pgqueue: operation_id: operation 1 is over (cancelled); only one that goes on can be cancelled\n"
    )  # fmt: skip
    assert run("operation", 1, "--watch").out == ended.out.splitlines()[0] + "\n"


def test_jobs_that_failed_make_the_exit_code_1_and_are_named(run: Run, look: Look) -> None:
    id = look.value("select enqueue('send')")
    look.connection.execute(f"alter table pgqueue.job_history add constraint stays check (id <> {id})".encode())

    ran = run("cancel", "--queue", "default")

    assert (ran.code, ran.out) == (1, "operation 1 done: of 1 job: 0 cancelled, 1 failed\n")
    assert f"job {id}: new row for relation" in run("operation", 1).out


def test_operations_are_listed_the_newest_first(run: Run, look: Look) -> None:
    assert run("operations").out == "no operations\n"
    for queue in ("a", "b"):
        run("cancel", "--queue", queue)

    assert [row["filter"]["queue"] for row in run("operations", "--json").lines] == [["b"], ["a"]]
    assert run("operations", "--open").out == "no operations\n"
    assert run("operations").out.count("cancel") >= 2


def test_an_unknown_operation_is_named(run: Run) -> None:
    for arguments in (["operation", 7], ["operation", 7, "--watch"], ["operation", 7, "--cancel"]):
        ran = run(*arguments)
        assert (ran.code, "there is no operation 7" in ran.err) == (3, True)


def test_ctrl_c_leaves_the_rest_to_the_workers(app: PgQueue, look: Look, database_url: str) -> None:
    look.rows("select enqueue('send') from generate_series(1, 10)")
    command = ["-m", "pgqueue", "cancel", "--queue", "default", "--per-second", "0.01", "--watch"]
    environment = {**os.environ, "PGQUEUE_DATABASE_URL": database_url}
    with subprocess.Popen([sys.executable, *command], cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE) as watching:
        # The first job is done before anything is watched.
        until(
            lambda: look.value(
                "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
                " and query ~ 'carry_on_operations|from [a-z]+[.]operations'"
            ),
            "it is watched",
        )
        watching.send_signal(2)
        out = watching.communicate(timeout=20)[0].decode()

    assert watching.returncode == 130
    assert out.endswith("the workers go on with it; see pgqueue operation 1\n"), out
    assert json.loads(json.dumps(look.rows("select state from operations"))) == [{"state": "running"}]
