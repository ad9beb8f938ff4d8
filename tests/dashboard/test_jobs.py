"""The list of jobs, without scripts."""

import re
import time
from typing import Any

import httpx
import pytest

from pgqueue import PgQueue
from pgqueue.dashboard import Viewer
from pgqueue.dashboard.shared import SECONDS
from tests.client.manual_worker import ManualWorker
from tests.dashboard.acting import seen_by
from tests.sql.conftest import Sql


def rows(html: str) -> list[int]:
    return [int(id) for id in re.findall(r'<tr id="job-(\d+)"', html)]


def fail(sql: Sql, message: str, **options: Any) -> int:
    id, token = sql.running(**options)
    error = {"type": "app.errors.Broken", "types": ["app.errors.Broken"], "message": message, "traceback": "t"}
    sql.finish(token, {"id": id, "state": "failed", "error": error, "final": True})
    return id


def test_the_filter_stands_in_the_address(http: httpx.Client, sql: Sql) -> None:
    mail = [sql.enqueue("welcome", queue="mail") for _ in range(2)]
    sql.enqueue("welcome", queue="other")
    assert rows(http.get("jobs", params={"q": "queue:mail task:wel*"}).text) == mail[::-1]
    assert rows(http.get("jobs", params={"q": f"id:{mail[0]}"}).text) == mail[:1]


def test_a_wrong_term_is_told_in_its_place_and_stays_in_the_field(http: httpx.Client) -> None:
    answer = http.get("jobs", params={"q": 'queu:"mail" state:failed'})
    assert answer.status_code == 200
    assert "&#39;queu:&#34;mail&#34;&#39; is not valid; use queue:" in answer.text
    assert 'value="queu:&#34;mail&#34; state:failed"' in answer.text
    assert "give a value behind the colon" in http.get("jobs", params={"q": "queue:"}).text


def test_arguments_are_looked_for_in_the_last_7_days_unless_somebody_widens_that(http: httpx.Client, sql: Sql) -> None:
    id = sql.enqueue("welcome", {"customer": 5})
    old = sql.enqueue("welcome", {"customer": 5})
    sql.value("update job set created_at = created_at - interval '8 days' where id = %s returning 1", old)
    answer = http.get("jobs", params={"q": "args.customer:5"})
    assert (answer.status_code, answer.headers["location"]) == (303, "./jobs?q=args.customer%3A5+since%3A7d")
    shown = http.get(answer.headers["location"]).text
    assert rows(shown) == [id]
    assert "jobs of the last 7 days" in shown
    (everything,) = re.findall(r'href="([^"]*)">all</a>', shown)
    assert rows(http.get(everything).text) == [old, id]


def test_an_open_page_keeps_its_rows_in_their_places_and_counts_new_ones(http: httpx.Client, sql: Sql) -> None:
    shown = [sql.enqueue() for _ in range(3)]
    assert rows(http.get("jobs", params={"q": "state:ready"}).text) == shown
    order = ",".join(map(str, [shown[2], shown[0], shown[1]]))
    for _ in range(2):
        sql.enqueue()
    sql.value("select cancel(%s)::text", shown[0])
    time.sleep(SECONDS)  # for which what others have asked just now is not asked again: nobody listens to changes here
    part = http.get("jobs", params={"q": "state:ready"}, headers={"X-Part": "main", "X-Rows": order}).text
    assert rows(part) == [shown[2], shown[0], shown[1]]
    assert "2 new: show" in part
    assert part.count("cancelled</span></td>") == 1


def test_a_list_that_takes_a_long_look_says_how_far_it_is_and_is_not_looked_for_each_second(http: httpx.Client, sql: Sql) -> None:
    sql.value("select count(enqueue('noop')) from generate_series(1, 3)")
    sql.rows(
        """insert into job_history
               (id, state, queue, task, args, priority, attempt, max_attempts, rescues, created_at, run_at, finished_at)
           select nextval('job_id_seq'), 'succeeded', 'default', 'noop', '{}', 0, 1, 4, 0, now(), now(), now()
             from generate_series(1, 20001)"""
    )
    html = http.get("jobs", params={"q": "task:rare"}).text
    assert "Looked at 20,000 jobs, as far as" in html
    assert 'data-rows="far"' in html
    assert 'rel="next"' in html
    assert http.get("jobs", params={"q": "task:rare"}, headers={"X-Part": "main", "X-Rows": "far"}).status_code == 204
    assert 'data-rows="far"' not in http.get("jobs").text


def test_a_job_that_is_gone_keeps_its_row(http: httpx.Client, sql: Sql) -> None:
    gone, id = fail(sql, "broken"), sql.enqueue()
    sql.value("select discard(%s)::text", gone)
    part = http.get("jobs", headers={"X-Part": "main", "X-Rows": f"{id},{gone},x,-1,<b>"}).text
    assert rows(part) == [id, gone]
    assert part.count("is not kept any more") == 1


def test_names_and_messages_of_users_are_only_text(http: httpx.Client, sql: Sql) -> None:
    name = "<script>alert(1)</script>\"'\u202e💥"
    id, token = sql.running()
    sql.value("update job set task = %s where id = %s returning 1", name, id)
    error = {"type": "<b>Type</b>", "types": [], "message": "<img src=x>\nsecond line", "traceback": "t"}
    sql.finish(token, {"id": id, "state": "failed", "error": error, "final": True})
    html = http.get("jobs", params={"q": '"<script>*" state:failed'}).text + http.get("jobs").text
    assert "\u202e" not in html
    assert not re.search("<(script>|img|b>Type)", html)
    assert "&lt;script&gt;alert(1)" in html
    assert "second line" not in html


def test_no_arguments_stand_in_the_list(http: httpx.Client, sql: Sql) -> None:
    sql.enqueue("welcome", {"password": "hunter2"}, meta='{"note": "hunter3"}')
    html = http.get("jobs").text
    assert "welcome" in html
    assert "hunter" not in html


def test_a_page_ends_with_a_link_to_the_next_one(http: httpx.Client, sql: Sql) -> None:
    ids = [sql.enqueue(queue="mail") for _ in range(53)][::-1]
    first = http.get("jobs", params={"q": "queue:mail", "order": "id"}).text
    (link,) = re.findall(r'rel="next" href="([^"]*)"', first)
    second = http.get(link.replace("&amp;", "&")).text
    assert rows(first) + rows(second) == ids
    assert 'rel="next"' not in second


@pytest.mark.parametrize(
    ("q", "offered"),
    [
        ("", []),
        ("state:ready", ["newest first", "as workers take them"]),
        ("state:scheduled", ["newest first", "next to run first"]),
        ("state:failed,cancelled", ["newest first", "last ended first"]),
    ],
)
def test_orders_that_the_jobs_have_are_offered(http: httpx.Client, sql: Sql, q: str, offered: list[str]) -> None:
    sql.enqueue()
    html = http.get("jobs", params={"q": q}).text
    links = re.findall(r'href="([^"]*order=[^"]*)"[^>]*>([^<]*)</a>', html)
    assert [says for _, says in links] == offered
    for link, _ in links:
        assert 'class="problem"' not in http.get(link.replace("&amp;", "&")).text


def test_who_may_not_act_sees_no_boxes_and_no_messages(app: PgQueue, sql: Sql) -> None:
    id = fail(sql, "customer 5 is unknown")
    with seen_by(app, Viewer("ann", "viewer", may_read_arguments=False)) as client:
        html = client.get("jobs").text
        assert rows(html) == [id]
        assert "checkbox" not in html
        assert "customer 5" not in html
        assert "Broken" in html
        assert client.get("operations/new", params={"do": "cancel", "all": "1", "q": "queue:x"}).status_code == 403
    with seen_by(app, Viewer("ann", "operator")) as client:
        html = client.get("jobs").text
        assert "checkbox" in html
        assert "customer 5 is unknown" in html


def test_who_is_for_some_queues_sees_only_these(app: PgQueue, sql: Sql) -> None:
    mine, _ = sql.enqueue(queue="mail"), sql.enqueue(queue="secret")
    with seen_by(app, Viewer("ann", queues=["mail"])) as client:
        assert rows(client.get("jobs").text) == [mine]
        refused = client.get("jobs", params={"q": "queue:secret"}).text
        assert rows(refused) == []
        assert "a job cannot match both" in refused
        names = client.get("suggestions", params={"q": "queue:"}).json()["items"]
        assert [one["text"] for one in names] == ["queue:mail"]


@pytest.mark.parametrize(
    ("text", "last", "first"),
    [
        ("", 0, "queue:"),
        ("queue:mail ", 0, "queue:"),
        ("queue:mail err", 3, "error:"),
        ("state:f", 7, "state:failed"),
        ("state:ready,f", 13, "state:ready,failed"),
        ("fai", 3, "state:failed"),
        ("queue:MA", 8, "queue:mail"),
        ("queue:box", 9, 'queue:"mail box"'),
        ("task:come", 9, "task:welcome"),
        ("error:bro", 9, "error:Broken"),
        ("since:", 6, "since:1h"),
    ],
)
def test_suggestions_take_the_place_of_the_last_term(app: PgQueue, sql: Sql, text: str, last: int, first: str) -> None:
    app.task(name="welcome")(lambda: None)
    sql.enqueue(queue="mail")
    sql.value("update job set queue = 'mail box' where id = %s returning 1", sql.enqueue())
    fail(sql, "broken")
    with seen_by(app, Viewer("ann")) as client:
        found = client.get("suggestions", params={"q": text}).json()
    assert (found["last"], found["items"][0]["text"]) == (last, first)


def test_a_name_that_no_field_has_is_no_suggestion(http: httpx.Client) -> None:
    assert http.get("suggestions", params={"q": 'odd:"x'}).json()["items"] == []


def test_the_command_that_does_the_same_is_one_word_for_a_shell(http: httpx.Client, manual_worker: ManualWorker) -> None:
    html = http.get("jobs", params={"q": "queue:mail state:failed"}).text
    assert "pgqueue jobs &#39;queue:mail state:failed&#39;" in html
