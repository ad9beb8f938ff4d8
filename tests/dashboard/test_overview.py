"""The first page: what is wrong, figures, queues, tasks that fail, and what to do in an empty install. No script is needed."""

import re
from typing import Any

import httpx
import psycopg
import pytest

from pgqueue import PgQueue
from pgqueue.dashboard import Viewer
from pgqueue.dashboard.nouns.leads import lead_of, terms
from pgqueue.dashboard.nouns.rates import rates
from pgqueue.dashboard.pages.overview import failing
from pgqueue.dashboard.shared import Shared
from pgqueue.insight.troubles import troubles
from tests.cli.test_top_page import WRONG
from tests.client.manual_worker import ManualWorker
from tests.dashboard.acting import seen_by
from tests.rolled import pass_minutes
from tests.waiting import until


@pytest.fixture
def seeded(app: PgQueue, manual_worker: ManualWorker, connection: psycopg.Connection[Any]) -> None:
    """Four jobs succeed, two fail for good, three wait in a queue that nobody serves; minutes pass; a queue is paused."""

    @app.task
    def send() -> None: ...

    @app.task
    def fail() -> None: ...

    for _ in range(4):
        send.enqueue()
    for _ in range(2):
        fail.enqueue()
    manual_worker.run(failing="fail")
    for _ in range(3):
        send.using(queue="mail").enqueue()
    connection.execute("update job set created_at = created_at - interval '3 minutes'")
    pass_minutes(connection)
    app.pause("ai", reason="<script>alert('x')</script> & “quotes”")


def section(html: str, id: str) -> str:
    """The text of an element with this id, without tags, as far as the next section."""
    found = html.split(f'id="{id}"', 1)[1]
    return " ".join(re.sub(r"<[^>]+>", " ", re.split(r"</tr>|</section>", found)[0]).split())


def test_an_empty_install_says_what_to_do_first(http: httpx.Client) -> None:
    html = http.get("").text
    assert "@app.task" in html
    assert "pgqueue worker jobs:app" in html
    assert "pgqueue dev jobs:app" in html
    assert "Throughput" not in html  # charts of nothing
    assert "Throughput" in http.get("?span=30d").text  # but whoever had jobs here once may look back


def test_what_is_wrong_stands_first_with_what_to_do_and_where_to_look(http: httpx.Client, seeded: None) -> None:
    html = http.get("").text
    wrong = section(html, "wrong")
    assert "No worker serves mail: 3 ready" in wrong
    assert "pgqueue worker MODULE:APP" in wrong
    assert "Dead letters grew by 2" in wrong
    assert "Queue ai is paused" in wrong
    assert 'href="./queues/mail">Look at the queue' in html
    assert 'href="./dead-letters?task=fail">Look at the dead letters' in html
    assert html.index('id="wrong"') < html.index("Finished a minute")
    assert "nothing is wrong" not in html


def test_the_reason_of_a_pause_is_text(http: httpx.Client, seeded: None) -> None:
    html = http.get("").text
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert" in html


def test_queues_show_what_they_hold_and_did_and_lead_to_their_jobs(http: httpx.Client, seeded: None) -> None:
    html = http.get("").text
    assert re.search(r"mail no worker 3 0 0 (now|.* ago) 0", section(html, "queue-mail"))
    assert "default 0 0 0 2" in section(html, "queue-default")
    assert "0.02/s 0.02/s" in section(html, "queue-default")  # 6 in 300 s
    assert "6 jobs ended in the last hour" in html
    assert "ai paused" in section(html, "queue-ai")
    assert 'href="./jobs?q=queue%3Amail+state%3Aready">3</a>' in html
    assert 'href="./queues/mail"' in html


def test_tasks_that_fail_lead_to_their_dead_letters(http: httpx.Client, seeded: None) -> None:
    html = http.get("").text
    assert section(html, "task-fail").lstrip("> ").startswith("fail 2 2 2 0.0 %")
    assert 'href="./dead-letters?task=fail"' in html
    assert 'id="task-send"' not in html


def test_a_chart_is_a_table_for_who_does_not_see_it(http: httpx.Client, seeded: None) -> None:
    html = http.get("").text
    figure = html.split('id="throughput"', 1)[1].split("</figure>")[0]
    heads = re.findall(r'data-colour="(\w+)"[^>]*>(\w+)', figure)
    assert heads == [("scheduled", "Added"), ("succeeded", "Succeeded"), ("failed", "Failed")]
    assert len(re.findall(r"data-at=", figure)) in (59, 60), "the last minute may have no roll-up yet"
    values = [float(value) for value in re.findall(r'data-value="([^"]*)"', figure)[1::3]]
    assert max(values) == pytest.approx(4 / 60)


@pytest.mark.parametrize(
    ("span", "steps"), [("15m", 15), ("1h", 60), ("6h", 72), ("24h", 96), ("7d", 84), ("30d", 120), ("x", 60)]
)
def test_each_time_has_a_chart_of_its_own_step(http: httpx.Client, seeded: None, span: str, steps: int) -> None:
    html = http.get(f"?span={span}").text
    figure = html.split('id="waits"', 1)[1].split("</figure>")[0]
    assert steps - 1 <= len(re.findall("data-at=", figure)) <= steps + 1, "the last minute may have no roll-up yet"
    assert 'aria-current="true" aria-label="The last' in html


def test_who_may_see_some_queues_sees_these_and_no_figures_of_all(app: PgQueue, seeded: None) -> None:
    with seen_by(app, Viewer("ann", queues=["mail"])) as http:
        html = http.get("").text
    assert 'id="queue-mail"' in html
    assert 'id="queue-default"' not in html
    assert "Finished a minute" not in html
    assert 'id="wrong"' not in html


def test_an_open_page_is_not_sent_again_while_only_time_passes(
    http: httpx.Client, seeded: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has waited for a time has a time of its beginning: words for it are no change."""
    monkeypatch.setattr(Shared, "get", lambda _, key, make: make())

    def is_at_rest() -> bool:
        """Unless a step of the rounded times ends between the two."""
        mark = re.search(r'data-shown="(\w+)"', http.get("").text)
        assert mark is not None
        return http.get("", headers={"X-Part": "main", "X-Shown": mark[1]}).status_code == 204

    until(is_at_rest, "it is not sent again")


@pytest.mark.parametrize("name", WRONG)
def test_every_trouble_leads_somewhere_and_says_what_to_do(name: str) -> None:
    (trouble,) = troubles(WRONG[name][0], str)
    assert trouble.remedy
    path, words = lead_of({"name": trouble.name, "subjects": trouble.subjects})
    assert words
    assert re.match(r"(queues|jobs|dead-letters|workers|doctor)\b", path)


def test_names_in_filters_are_quoted_where_they_must_be() -> None:
    assert terms(queue="mail", state="ready") == "queue:mail state:ready"
    assert terms(task='two "words" \\ x') == 'task:"two \\"words\\" \\\\ x"'
    assert terms(task=None) == ""


def test_a_step_that_is_not_over_is_no_fall_of_the_rate() -> None:
    step = {"at": "x", "enqueued": None, "succeeded": 9, "failed": 1, "cancelled": 0, "completed_per_second": 1.0}
    (row,) = rates({"step_seconds": 3600, "steps": [step]})
    assert row == {"at": "x", "enqueued": None, "succeeded": 0.9, "failed": 0.1, "cancelled": 0}


def test_tasks_with_dead_letters_come_before_those_that_are_retried() -> None:
    figures = {"tasks": [
        {"name": "retried", "failed_attempts": 9}, {"name": "well", "failed_attempts": 0}, {"name": "dead", "failed_attempts": 1},
    ]}  # fmt: skip
    found = failing(figures, {"counts": [{"value": "dead", "jobs": 2}, {"value": "gone", "jobs": 1}]})
    assert [one["task"] for one in found] == ["dead", "gone", "retried"]
    assert failing(None, None) == []
