"""The timeline of a job tells what is known, and nothing else: no time in it is negative, or longer than it was."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from pgqueue.dashboard.jobs.timeline import Timeline, timeline
from pgqueue.dashboard.pages import job as job_page
from pgqueue.dashboard.shared import Shared
from tests.sql.conftest import Sql

ERROR = {"type": "ValueError", "types": ["ValueError"], "message": "no"}


def line_of(http: httpx.Client, id: int) -> Timeline:
    """The timeline as the page makes it; it is sound whatever happened."""
    assert http.get(f"jobs/{id}").status_code == 200
    line = timeline(http.get(f"api/v1/jobs/{id}").json())
    assert sound(line)
    return line


def sound(line: Timeline) -> bool:
    """No negative time, nothing beside the picture, and only the last stretch goes on."""
    assert all(one.seconds is None or one.seconds >= 0 for one in line.stretches)
    waits = [one for one in line.stretches[:-1] if one.kind in ("blocked", "scheduled", "ready")]
    assert all(one.seconds is not None for one in waits), "a wait of no known length is none"
    places = [(one.x, one.width) for one in line.stretches] + [(mark.x, mark.width) for mark in line.marks]
    assert all(0 <= x <= 100 and 0 < width <= 100 and x + width <= 100.6 for x, width in places)
    assert all(one.end is not None for one in line.stretches[:-1])
    return True


def words(line: Timeline) -> list[str]:
    return [one.label for one in line.stretches]


def run(sql: Sql, id: int) -> UUID:
    """Claim a job by a new worker: its token."""
    token, jobs = sql.claim(sql.worker())
    assert [job["id"] for job in jobs] == [id]
    return token


def earlier(sql: Sql, id: int, by: str, table: str = "job") -> None:
    """Time travel: what has happened to a job happened so much earlier."""
    sql.rows(
        f"update {table} set created_at = created_at - %s::interval, run_at = run_at - %s::interval, errors = (select jsonb_agg("
        "e || jsonb_build_object('started_at', (e->>'started_at')::timestamptz - %s::interval, 'ended_at', "
        "(e->>'ended_at')::timestamptz - %s::interval)) from jsonb_array_elements(errors) e) where id = %s",
        by, by, by, by, id,
    )  # fmt: skip


def test_waits_and_runs_of_a_job_that_failed_and_then_succeeded(http: httpx.Client, sql: Sql) -> None:
    id = sql.enqueue(run_after="1 ms")
    sql.make_due()
    sql.value("select promote()")
    sql.finish(run(sql, id), {"id": id, "state": "failed", "elapsed": 0.01, "error": ERROR, "delay": 0.05})
    sql.make_due()
    sql.value("select promote()")
    sql.finish(run(sql, id), {"id": id, "state": "succeeded", "elapsed": 2.5})
    line = line_of(http, id)
    assert [one for one in words(line) if one not in ("in line", "waited")] == ["attempt 1", "waited to retry", "ran"]
    assert line.stretches[-1].seconds == 2.5
    assert [one.kind for one in line.stretches][-1] == "succeeded"


def test_a_snooze_is_no_attempt_and_its_run_is_not_called_a_wait(http: httpx.Client, sql: Sql) -> None:
    id = sql.enqueue()
    sql.rows("update job set created_at = created_at - interval '1 h', run_at = run_at - interval '1 h' where id = %s", id)
    sql.value("select snooze(%s, %s, 3600)", id, run(sql, id))
    line = line_of(http, id)
    assert words(line) == ["waited and ran", "waits for its time"]
    assert line.stretches[0].seconds == pytest.approx(3600, abs=60)
    assert "put it off" in line.stretches[0].about
    sql.make_due()
    sql.value("select promote()")
    run(sql, id)
    assert words(line_of(http, id))[0] == "waited and ran"
    assert words(line_of(http, id))[-1] == "runs"


def test_a_run_whose_worker_was_lost_is_not_said_to_have_run_until_then(http: httpx.Client, sql: Sql) -> None:
    id = sql.enqueue()
    worker = sql.worker()
    sql.claim(worker)
    sql.lose(worker)
    sql.value("select rescue()")
    line = line_of(http, id)
    assert [(one.kind, one.about) for one in line.stretches if one.kind == "lost"] == [
        ("lost", "its worker was lost; until when it ran is not known")
    ]
    assert line.stretches[-1].end is None


def test_a_job_that_was_given_back_waits_and_may_have_run_before(http: httpx.Client, sql: Sql) -> None:
    id = sql.enqueue()
    earlier(sql, id, "2 min")
    token = run(sql, id)
    sql.value("select give_back(%s, %s)", token, [id])
    assert words(line_of(http, id)) == ["in line"]
    sql.finish(run(sql, id), {"id": id, "state": "succeeded", "elapsed": 0.1})
    line = line_of(http, id)
    assert words(line) == ["in line", "ran"]
    assert line.hides_runs, "it waited for two minutes, and ran in between"


def test_a_dead_letter_that_was_retried_by_hand_was_one_in_between(http: httpx.Client, sql: Sql) -> None:
    id = sql.enqueue()
    sql.finish(run(sql, id), {"id": id, "state": "failed", "final": True, "elapsed": 0.01, "error": ERROR})
    earlier(sql, id, "1 d", "dead_letter")
    sql.value("select retry(%s)", id)
    waiting = line_of(http, id)
    assert words(waiting)[-2:] == ["dead letter", "in line"]
    assert waiting.stretches[-2].seconds == pytest.approx(86_400, abs=60)
    sql.finish(run(sql, id), {"id": id, "state": "succeeded", "elapsed": 0.1})
    over = line_of(http, id)
    assert [one for one in words(over) if one not in ("in line", "waited")] == ["attempt 1", "dead letter", "ran"]
    (dead,) = [one for one in over.stretches if one.label == "dead letter"]
    assert dead.seconds == pytest.approx(86_400, abs=60)


def test_a_retry_that_was_started_by_hand_before_its_time_says_so(http: httpx.Client, sql: Sql) -> None:
    id = sql.enqueue()
    sql.finish(run(sql, id), {"id": id, "state": "failed", "elapsed": 0.01, "error": ERROR, "delay": 3600})
    sql.value("select retry(%s)", id)
    run(sql, id)
    (wait,) = [one for one in line_of(http, id).stretches if one.label == "waited to retry"]
    assert "before its time" in wait.about
    assert wait.seconds is not None
    assert wait.seconds < 60


def test_a_clock_that_was_set_back_leaves_no_negative_time(http: httpx.Client, sql: Sql) -> None:
    id = sql.enqueue()
    sql.finish(run(sql, id), {"id": id, "state": "failed", "elapsed": 0.01, "error": ERROR, "delay": 0})
    sql.finish(run(sql, id), {"id": id, "state": "succeeded", "elapsed": 1.5})
    sql.rows(
        "update job_history set created_at = created_at + interval '1 h', claimed_at = finished_at + interval '2 h', "
        "errors = jsonb_set(errors, '{0,ended_at}', to_jsonb(created_at - interval '1 d')) where id = %s", id,
    )  # fmt: skip
    line = line_of(http, id)
    assert line.is_bent
    assert "set back" in http.get(f"jobs/{id}").text
    assert line.stretches[-1].seconds == 1.5, "the handler's own measure stays"


def test_a_page_is_not_sent_again_because_a_run_or_a_wait_goes_on(
    http: httpx.Client, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time makes their stretches longer: the picture alone, so that a change of anything else is told from it."""
    monkeypatch.setattr(Shared, "get", lambda _, key, make: make())
    running, token = sql.running()
    sql.value("select save_step(%s, %s, 'charge', '1', 0.1)", running, token)
    ids = [sql.enqueue(), sql.enqueue(run_after="2 h"), running]
    shown = {id: http.get(f"jobs/{id}").text.partition('data-shown="')[2].partition('"')[0] for id in ids}
    monkeypatch.setattr(job_page, "timeline", lambda job: timeline(job, datetime.now(UTC) + timedelta(hours=1)))

    def part(id: int) -> int:
        return http.get(f"jobs/{id}", headers={"X-Part": "main", "X-Shown": shown[id]}).status_code

    assert [part(id) for id in ids] == [204, 204, 204]
    sql.value("select progress(%s, %s, 3, 4)", running, token)
    assert part(running) == 200


@pytest.mark.parametrize("state", ["blocked", "scheduled", "ready", "running", "succeeded", "failed", "cancelled"])
def test_no_order_of_times_makes_an_unsound_timeline(state: str) -> None:
    """Any of the times may be missing, equal, or in another order than they should be."""
    now = datetime(2030, 1, 1, tzinfo=UTC)
    offsets: list[int | None] = [None, -3600, 0, 3600]
    for claimed in offsets:
        for ended in offsets:
            for retry_at in offsets:
                errors = [
                    {
                        "attempt": n,
                        "type": kind,
                        "started_at": at(now, claimed),
                        "ended_at": at(now, ended),
                        "retry_at": at(now, retry_at),
                    }
                    for n, kind in enumerate(("WorkerLost", "a.b.Timeout", None))
                ]
                job: dict[str, Any] = {
                    "state": state, "created_at": at(now, 0), "run_at": at(now, retry_at or 0), "claimed_at": at(now, claimed),
                    "finished_at": at(now, ended) if state in ("succeeded", "failed", "cancelled") else None, "elapsed": None,
                    "errors": errors, "workflow_id": None, "put_off_at": at(now, retry_at),
                    "steps": [{"name": "s", "started_at": at(now, ended), "ended_at": at(now, claimed)}],
                    "signals": [{"name": "x", "waited_at": at(now, claimed), "ended_at": None}],
                }  # fmt: skip
                assert sound(timeline(job, now))


def at(now: datetime, offset: int | None) -> str | None:
    return None if offset is None else (now + timedelta(seconds=offset)).isoformat()
