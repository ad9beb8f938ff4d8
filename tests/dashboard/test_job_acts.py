"""What people do with one job on its page: it is done, told and kept in the audit log; or refused, in words."""

import json

import httpx
import pytest

from tests.dashboard.forms import said, send
from tests.looking import Look
from tests.sql.conftest import Sql


def fails(sql: Sql, id: int, token: object) -> None:
    sql.rows(
        "select * from finish(%s)",
        json.dumps([{"id": id, "token": str(token), "state": "failed", "final": True, "elapsed": 0.1,
                     "error": {"type": "E", "types": ["E"], "message": "no"}}]),
    )  # fmt: skip


def test_a_job_that_waits_runs_now_or_is_changed(http: httpx.Client, sql: Sql) -> None:
    id = sql.enqueue(run_after="2 h")
    page = f"jobs/{id}"
    assert said(send(http, page, f"{page}/change", priority="7", run_after="")) == f"Job {id} was changed."
    assert (sql.job(id)["priority"], sql.state(id)) == (7, "scheduled")
    assert said(send(http, page, f"{page}/run-now")) == f"Job {id} is due now."
    assert sql.state(id) == "ready"
    assert "priority" in said(send(http, page, f"{page}/change", priority="high as a kite", run_after=""))


@pytest.mark.parametrize(("how", "words"), [("ask", "asked to stop"), ("after", "asked to stop"), ("force", "It is over")])
def test_a_running_job_is_asked_to_stop_or_ended_by_force(http: httpx.Client, sql: Sql, look: Look, how: str, words: str) -> None:
    id, _ = sql.running()
    answer = send(http, f"jobs/{id}", f"jobs/{id}/cancel", how=how, seconds="30", reason="sent twice")
    assert words in said(answer)
    (entry,) = look.rows("select verb, reason from pgqueue.audit_log where kind = 'job'")
    assert entry == {"verb": "cancel", "reason": "sent twice"}
    assert (sql.state(id) == "cancelled") == (how == "force")
    assert (look.value("select count(*) from pgqueue.forced_cancel") == 1) == (how == "after")


def test_a_waiting_job_is_cancelled(http: httpx.Client, sql: Sql) -> None:
    id = sql.enqueue()
    assert said(send(http, f"jobs/{id}", f"jobs/{id}/cancel", reason="")) == f"Job {id}: Cancelled."
    assert sql.state(id) == "cancelled"


def test_a_dead_letter_is_retried_under_its_id_and_a_done_job_as_another_one(http: httpx.Client, sql: Sql) -> None:
    id, token = sql.running()
    fails(sql, id, token)
    assert said(send(http, f"jobs/{id}", f"jobs/{id}/retry")) == f"Job {id} runs again."
    assert sql.state(id) == "ready"
    done, token = sql.running()
    sql.finish(token, {"id": done, "state": "succeeded"})
    answer = send(http, f"jobs/{done}", f"jobs/{done}/retry")
    again = int(answer.url.path.rpartition("/")[2])
    assert said(answer) == f"Job {done} runs again as this job."
    assert sql.job(again)["retry_of"] == done


def test_what_has_failed_after_three_retries_needs_a_word_more(http: httpx.Client, sql: Sql) -> None:
    id, token = sql.running()
    fails(sql, id, token)
    sql.rows("update dead_letter set control = '{\"retried\": 3}' where id = %s", id)
    assert 'name="force" required' in http.get(f"jobs/{id}").text
    assert "mend what makes it fail" in said(send(http, f"jobs/{id}", f"jobs/{id}/retry"))
    assert sql.state(id) == "failed"
    assert said(send(http, f"jobs/{id}", f"jobs/{id}/retry", force="on")) == f"Job {id} runs again."


def test_a_signal_is_told_once(http: httpx.Client, sql: Sql) -> None:
    id, _ = sql.running()
    page, act = f"jobs/{id}", f"jobs/{id}/signal"
    assert "Put a text in quotes" in said(send(http, page, act, name="approved", payload="yes"))
    assert "was told 'approved'" in said(send(http, page, act, name="approved", payload='{"n": 0.50}'))
    assert "already" in said(send(http, page, act, name="approved", payload="null"))
    assert "0.50" in http.get(page).text


def test_a_dead_letter_is_discarded_with_a_reason(http: httpx.Client, sql: Sql, look: Look) -> None:
    id, token = sql.running()
    fails(sql, id, token)
    answer = send(http, f"jobs/{id}", f"jobs/{id}/discard", reason="a test")
    assert answer.url.path == "/dead-letters"
    assert look.value("select reason from pgqueue.audit_log where verb = 'discard'") == "a test"
    assert http.get(f"jobs/{id}").status_code == 404


def test_an_act_whose_job_has_changed_meanwhile_says_so_on_the_page(http: httpx.Client, sql: Sql) -> None:
    id = sql.enqueue(run_after="1 h")
    page = http.get(f"jobs/{id}")
    assert "Run now" in page.text
    sql.value("select cancel(%s)", id)
    assert "The state does not allow this" in said(send(http, page, f"jobs/{id}/run-now"))


def test_only_what_the_state_allows_is_offered(http: httpx.Client, sql: Sql) -> None:
    acts = {"ready": ["change", "cancel"], "running": ["signal", "cancel"], "succeeded": ["retry"]}
    ready = sql.enqueue()
    running, _ = sql.running()
    done, token = sql.running()
    sql.finish(token, {"id": done, "state": "succeeded"})
    for id, state in ((ready, "ready"), (running, "running"), (done, "succeeded")):
        page = http.get(f"jobs/{id}").text
        offered = [act for act in ("run-now", "change", "signal", "cancel", "retry", "discard") if f"jobs/{id}/{act}" in page]
        assert offered == acts[state]
