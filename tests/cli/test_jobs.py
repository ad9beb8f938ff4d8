"""pgqueue jobs, pgqueue job."""

import re
from collections.abc import Callable
from datetime import datetime

import pytest
from rich.console import Console

from pgqueue import PgQueue
from pgqueue.cli import output
from tests.looking import Look

from .conftest import Run

Work = Callable[[], None]


@pytest.fixture
def ids(app: PgQueue, work: Work) -> dict[str, int]:
    """One job of each kind: succeeded, failed for good, waiting for its time."""
    done = app.tasks["add"].enqueue(1, 2)
    dead = app.tasks["fail"].enqueue("no such address")
    work()
    later = app.tasks["add"].using(run_after=3600).enqueue(3, 4)
    return {"done": done.id, "dead": dead.id, "later": later.id}


def test_jobs_are_listed_newest_first_whatever_their_state(run: Run, ids: dict[str, int]) -> None:
    listed = run("jobs", "--json").lines
    assert [job["id"] for job in listed] == [ids["later"], ids["dead"], ids["done"]]
    assert [job["state"] for job in listed] == ["scheduled", "failed", "succeeded"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (("--state", "failed"), ["dead"]),
        (("--state", "succeeded"), ["done"]),
        (("--queue", "mail"), ["dead"]),
        (("--task", "add"), ["later", "done"]),
        (("--task", "add", "--state", "scheduled"), ["later"]),
        (("--limit", "1"), ["later"]),
        (("--task", "unheard"), []),
        (("--task", "f*"), ["dead"]),
        (("--error", "ValueError"), ["dead"]),
        (("--reason", "error"), ["dead"]),
        (("--where", '{"a": 3}'), ["later"]),
        (("--since", "1h", "--state", "failed", "--state", "succeeded"), ["dead", "done"]),
        (("--until", "1h"), []),
        (("--filter", '{"run_at_after": "+30 minutes"}'), ["later"]),
        (("--state", "scheduled", "--order", "run_at"), ["later"]),
    ],
)
def test_jobs_can_be_filtered(run: Run, ids: dict[str, int], filters: tuple[str, ...], expected: list[str]) -> None:
    assert [job["id"] for job in run("jobs", *filters, "--json").lines] == [ids[name] for name in expected]


def test_a_list_goes_on_where_the_last_one_stopped(run: Run, ids: dict[str, int]) -> None:
    first = run("jobs", "--limit", "2", "--json")
    after = re.fullmatch("go on with --after '(.*)'\n", first.err)
    assert after
    second = run("jobs", "--after", after[1], "--json")
    assert ([job["id"] for job in second.lines], second.err) == ([ids["done"]], "")


def test_jobs_are_counted(run: Run, ids: dict[str, int]) -> None:
    assert run("jobs", "--count").out == "3\n"
    assert run("jobs", "--count", "--state", "failed", "--json").lines == [{"jobs": 1, "is_over": True}]


def test_a_list_that_has_not_looked_at_everything_says_so(run: Run, look: Look) -> None:
    look.rows(
        """insert into job (run_at, created_at, state, task)
           select clock_timestamp(), '2026-01-01Z', 'ready', 'noop' from generate_series(1, 100001)"""
    )
    ran = run("jobs", "--task", "unheard")
    assert ran.out == "no jobs\n"
    assert ran.err.startswith("looked at 100,000 jobs, as far as 2026-01-01 ")
    assert run("jobs", "--limit", "2500", "--state", "ready", "--json").out.count("\n") == 2500


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--where", "5"), "where: '5' is not valid; give a JSON object"),
        (("--filter", '{"quue": 1}'), "filter: 'quue' is not valid; use ids, state"),
        (("--since", "soon"), "since: 'soon' is not valid"),
        (("--order", "claim"), "add the state ready to the filter"),
        (("--after", "x"), "after: "),
        (("--worker", "me"), "worker: "),
    ],
)
def test_an_invalid_filter_is_refused_in_one_line(run: Run, options: tuple[str, ...], says: str) -> None:
    ran = run("jobs", *options)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert says in ran.err


def test_times_in_json_are_iso(run: Run, ids: dict[str, int]) -> None:
    (job,) = run("jobs", "--state", "succeeded", "--json").lines
    assert datetime.fromisoformat(job["finished_at"]) >= datetime.fromisoformat(job["created_at"])


def test_people_see_a_table(run: Run, ids: dict[str, int]) -> None:
    ran = run("jobs")
    assert ran.code == 0
    assert "ValueError: no such address" in ran.out
    assert "2 of 2" in ran.out


def test_an_empty_list_says_so(run: Run) -> None:
    assert run("jobs").out == "no jobs\n"
    assert run("jobs", "--json").out == ""


def test_a_failed_job_shows_every_attempt_and_the_traceback(run: Run, ids: dict[str, int]) -> None:
    ran = run("job", ids["dead"])
    assert ran.code == 0
    assert ran.out.count("ValueError   no such address") == 2
    assert "raise ValueError(why)" in ran.out


def test_frames_of_pgqueue_are_one_line_unless_all_are_wanted(run: Run, ids: dict[str, int]) -> None:
    lines, full = run("job", ids["dead"]).out.splitlines(), run("job", ids["dead"], "--full").out
    (folded,) = [line for line in lines if " of pgqueue" in line]
    count = int(folded.split()[1])
    assert folded == f"    … {count} {'frame' if count == 1 else 'frames'} of pgqueue (--full)"
    assert full.count("File ") == count + sum("File " in line for line in lines)
    assert "begin.py" in full
    assert not any("begin.py" in line for line in lines)
    (job,) = run("job", ids["dead"], "--json").lines
    assert "begin.py" in job["errors"][-1]["traceback"]


def test_a_failed_job_in_json_has_its_attempts(run: Run, ids: dict[str, int]) -> None:
    (job,) = run("job", ids["dead"], "--json").lines
    assert (job["state"], job["reason"]) == ("failed", "error")
    assert [(error["attempt"], error["type"]) for error in job["errors"]] == [(1, "ValueError"), (2, "ValueError")]


def test_a_job_that_succeeded_shows_its_result(run: Run, ids: dict[str, int]) -> None:
    (job,) = run("job", ids["done"], "--json").lines
    assert (job["state"], job["result"], job["errors"]) == ("succeeded", 3, [])
    assert re.search("result +3", run("job", ids["done"]).out)


def test_a_job_shows_when_its_result_expires(run: Run, ids: dict[str, int]) -> None:
    (done,), (dead,) = (run("job", ids[name], "--json").lines for name in ("done", "dead"))
    kept = datetime.fromisoformat(done["result_expires_at"]) - datetime.fromisoformat(done["finished_at"])
    assert kept.total_seconds() == pytest.approx(86400, abs=1)
    assert dead["result_expires_at"] is None
    assert "result expires at" in run("job", ids["done"]).out
    assert "result expires at" not in run("job", ids["dead"]).out


def test_a_job_that_runs_shows_its_progress(run: Run, app: PgQueue, work: Work, look: Look) -> None:
    id = app.tasks["add"].enqueue(1, 2).id
    look.value("select register_worker(gen_random_uuid(), 'w', 'host', 1, '0', '{default}', 1, '30 s')")
    token = "00000000-0000-0000-0000-000000000001"
    look.rows("select * from claim((select id from worker), %s, '{default}', 1)", token)
    look.value("select progress(%s, %s, 3, 10, 'third page')", id, token)
    ran = run("job", id)
    assert (ran.code, "progress" in ran.out, "third page" in ran.out) == (0, True, True)
    assert run("job", id, "--json").lines[0]["progress"]["done"] == 3


def test_a_job_that_has_passed_its_soft_timeout_shows_it(run: Run, app: PgQueue, work: Work, look: Look) -> None:
    id = app.tasks["add"].enqueue(1, 2).id
    look.rows("""update job set terms = '{"soft_timeout": 48, "soft_timed_out": {"elapsed": 48.1}}' where id = %s""", id)
    work()
    assert '{"soft_timeout": 48, "soft_timed_out": {"elapsed": 48.1}}' in " ".join(run("job", id).out.split())
    (shown,) = run("job", id, "--json").lines
    assert shown["terms"]["soft_timed_out"] == {"elapsed": 48.1}


def test_a_job_shows_the_request_and_the_trace_that_it_belongs_to(run: Run, look: Look) -> None:
    trace = '{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "request_id": "r-7"}'
    ids = [look.value("select enqueue('add', trace => %s)", one) for one in (trace, '{"traceparent": "odd"}')]
    shown, odd = (" ".join(run("job", id).out.split()) for id in ids)

    assert "request id r-7 trace id 0af7651916cd43dd8448eb211c80319c" in shown
    assert [text in shown + odd for text in ("terms", "traceparent", "trace id odd")] == [False] * 3
    assert run("job", ids[0], "--json").lines[0]["terms"]["trace"]["request_id"] == "r-7"


def test_a_job_that_does_not_exist(run: Run) -> None:
    ran = run("job", "999")
    assert (ran.code, ran.out, ran.err.count("\n")) == (3, "", 1)
    assert "999" in ran.err


def test_a_narrow_terminal_shows_ids_and_names_and_says_what_it_leaves_out(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [run("enqueue", f"task_{n}", "--json").lines[0]["id"] for n in range(2)]
    monkeypatch.setattr(output, "console", lambda: Console(width=80, highlight=False))
    lines = run("jobs").out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert all(any(line.split()[:4] == [str(id), "ready", "default", f"task_{n}"] for line in lines) for n, id in enumerate(ids))
    assert lines[-1].startswith("no room for: run_at, finished_at, note; see --wide")


def test_a_narrow_terminal_shows_when_each_attempt_began_and_a_traceback_as_it_is(
    app: PgQueue, run: Run, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = app.tasks["fail"].enqueue("y" * 100)
    work()
    monkeypatch.setattr(output, "PIPED_WIDTH", 80)

    lines = run("job", job.id).out.splitlines()

    for error in run("job", job.id, "--json").lines[0]["errors"]:
        assert any(error["started_at"].replace("T", " ")[:23] in line for line in lines)
    assert f"  ValueError: {'y' * 100}" in lines
    assert any(line.split() == ["fingerprint", app.dead_groups()[0].fingerprint] for line in lines)
