"""The pages of queues: what waits, what holds them, and what may be changed."""

import re

import httpx
import pytest

from pgqueue import PgQueue
from tests.client.manual_worker import ManualWorker
from tests.looking import Look

from .forms import send, shows, text_of


@pytest.fixture
def mail(app: PgQueue) -> None:
    """Three jobs in the queue mail."""
    send = app.task(name="send", queue="mail")(lambda: None)
    for _ in range(3):
        send.enqueue()


def test_an_empty_install_says_what_to_do(http: httpx.Client) -> None:
    assert "pgqueue worker module:app" in http.get("queues").text


def test_a_queue_without_workers_is_told_of_where_it_is_listed_and_on_its_page(mail: None, http: httpx.Client) -> None:
    listed, one = http.get("queues").text, http.get("queues/mail").text
    assert "No worker serves the queue mail" in listed
    assert "pgqueue worker module:app --queues mail" in one
    assert 'href="./jobs?q=queue%3Amail+state%3Aready">3</a>' in listed


def test_a_pause_is_made_with_its_reason_and_time_and_ended(mail: None, http: httpx.Client, look: Look) -> None:
    shown = send(http, "queues/mail", "queues/mail/pause", reason="a <b>deploy", for_minutes="90")
    assert "Queue mail is paused." in shown.text
    assert "a &lt;b&gt;deploy" in shown.text
    assert look.value("select date_trunc('minute', until - paused_at + interval '1 s') = interval '90 min' from pause") is True
    assert "Queue mail goes on." in send(http, "queues/mail", "queues/mail/resume").text
    assert look.rows("select * from pause") == []


def test_a_time_that_is_none_is_refused_on_the_page(mail: None, http: httpx.Client, look: Look) -> None:
    shown = send(http, "queues/mail", "queues/mail/pause", for_minutes="soon")
    assert shown.status_code == 200
    assert "for_seconds" in shown.text
    assert look.rows("select * from pause") == []


def test_draining_shows_what_still_runs_until_nothing_does(app: PgQueue, http: httpx.Client, manual_worker: ManualWorker) -> None:
    app.task(name="send")(lambda: None).enqueue()
    (job,) = manual_worker.claim()
    shown = send(http, "queues/default", "queues/default/drain")
    assert "1 of its jobs still run" in text_of(shown)
    manual_worker.finish(job)
    shows(http, "queues/default", "Nothing of it runs: it is drained.")


def test_settings_are_changed_shown_and_reset(mail: None, http: httpx.Client, look: Look) -> None:
    fields = {"max_ready": "5000", "on_full": "drop_oldest", "starvation_after": "90", "dead_days": "7", "keep_cancelled": "yes"}
    shown = text_of(send(http, "queues/mail", "queues/mail/settings", **fields))
    assert "5,000; above it the oldest are cancelled" in shown
    assert "after 90 s, up to 25 % of a claim" in shown
    assert "without succeeded jobs" in shown
    row = look.rows("select max_ready, keep_succeeded, keep_cancelled, dead_days from queue")
    assert row == [{"max_ready": 5000, "keep_succeeded": False, "keep_cancelled": True, "dead_days": 7}]
    assert "any number" in text_of(send(http, "queues/mail", "queues/mail/reset"))
    assert look.rows("select * from queue") == []


def test_a_setting_that_is_none_is_refused_on_the_page(mail: None, http: httpx.Client, look: Look) -> None:
    shown = send(http, "queues/mail", "queues/mail/settings", max_ready="many", keep_succeeded="yes", keep_cancelled="yes")
    assert "max_ready" in text_of(shown)
    assert look.rows("select * from queue") == []


def test_everything_and_tasks_are_paused_and_resumed(mail: None, http: httpx.Client, look: Look) -> None:
    assert "Everything is paused" in text_of(send(http, "queues", "pauses", kind="everything", reason="a storm"))
    assert "Queue mail is paused" in send(http, "queues/mail", "queues/mail/pause").text
    assert "It still waits, because everything is paused." in send(http, "queues/mail", "queues/mail/resume").text
    assert "Everything goes on" in send(http, "queues", "pauses/everything/resume").text
    name = "send 2%/é\u202e"
    assert "Paused tasks" in send(http, "queues", "pauses", kind="task", name=name).text
    (quoted,) = re.findall(r'name="name" value="([^"]+)"', http.get("queues").text)
    assert "goes on" in send(http, "queues", "pauses/task/resume", name=quoted).text
    assert look.rows("select * from pause") == []


def test_the_limit_of_a_queue_stands_on_its_page(mail: None, app: PgQueue, http: httpx.Client, look: Look) -> None:
    assert "Its jobs are not limited." in http.get("queues/mail").text
    look.value("select set_limit('queue:mail', 100, '1 min', max_running => 4)::text")
    shown = text_of(http.get("queues/mail"))
    assert "100 for each 60 s" in shown
    assert "0 of 4" in shown


def test_a_chart_goes_back_as_far_as_the_address_says(mail: None, http: httpx.Client) -> None:
    assert http.get("queues/mail?over=1h").text.count("data-at=") in (3 * 60, 3 * 61)
    assert http.get("queues/mail?over=7d").text.count("data-at=") in (3 * 84, 3 * 85)
    assert http.get("queues/mail?over=%3Cscript%3E").status_code == 200


def test_a_queue_that_is_not_there_is_a_page_that_says_so(http: httpx.Client) -> None:
    answer = http.get("queues/nothing")
    assert answer.status_code == 404
    assert "there is no queue nothing" in answer.text
