"""Operations: the question before one, and how far it is; without scripts."""

import re

import httpx
import pytest

from pgqueue import PgQueue
from tests.sql.conftest import Sql

from .forms import send
from .test_jobs import fail, rows


def test_the_question_names_the_number_and_the_operation_shows_what_was_done(http: httpx.Client, sql: Sql) -> None:
    ids = [sql.enqueue(queue="mail") for _ in range(3)]
    fail(sql, "not one that can be cancelled")
    asked = http.get("operations/new", params={"do": "cancel", "q": "queue:mail", "all": "1"})
    assert "Cancel 3 jobs?" in asked.text
    assert "are blocked, scheduled, ready, running" in asked.text
    shown = send(http, asked, "operations/new", reason="sent <b>twice</b>")
    assert shown.url.path.startswith("/operations/")
    assert {sql.state(id) for id in ids} == {"cancelled"}
    assert "3 cancelled" in shown.text
    assert "sent &lt;b&gt;twice&lt;/b&gt;" in shown.text
    assert rows(http.get("operations").text) == []
    assert f'href="./operations/{shown.url.path.rpartition("/")[2]}"' in http.get("operations").text


def test_selected_jobs_are_named_by_their_ids(http: httpx.Client, sql: Sql) -> None:
    ids = [sql.enqueue() for _ in range(3)]
    asked = http.get("operations/new", params={"do": "priority", "q": "queue:default", "id": [ids[0], ids[2], "x"]})
    assert "Change the priority of 2 jobs?" in asked.text
    shown = send(http, asked, "operations/new", reason="urgent", priority="50")
    assert [sql.job(id)["priority"] for id in ids] == [50, 0, 50]
    asked = http.get("operations/new", params={"do": "move", "id": [ids[1]]})
    assert "Move 1 job?" in asked.text
    send(http, asked, "operations/new", reason="slow ones apart", queue="slow")
    assert [sql.job(id)["queue"] for id in ids] == ["default", "slow", "default"]
    link = re.search(r'href="([^"]*jobs\?q=[^"]*)"', shown.text)
    assert link is not None
    assert rows(http.get(f"operations/{link[1]}").text) == [ids[2], ids[0]]


def test_all_that_match_may_be_named_by_their_ids(http: httpx.Client, sql: Sql) -> None:
    ids = [sql.enqueue() for _ in range(3)]
    asked = http.get("operations/new", params={"do": "cancel", "q": f"id:{ids[0]},{ids[2]}", "all": "1"})
    assert (asked.status_code, "Cancel 2 jobs?" in asked.text) == (200, True)


def test_a_paced_operation_goes_on_and_can_be_ended(http: httpx.Client, sql: Sql) -> None:
    for _ in range(5):
        fail(sql, "broken")
    asked = http.get("operations/new", params={"do": "retry", "q": "error:Broken", "all": "1"})
    shown = send(http, asked, "operations/new", reason="mended", per_second="0.001")
    assert 'Left</div><div class="v">4' in shown.text
    assert "at most 0.001 a second" in shown.text
    assert "error:Broken" in shown.text
    ended = send(http, shown, f"operations/{shown.url.path.rpartition('/')[2]}/cancel")
    assert "what is done stays" in ended.text
    assert sql.value("select state from operations") == "cancelled"


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"do": "cancel", "q": "state:failed", "all": "1"}, "cancel acts on jobs that are"),
        ({"do": "cancel", "q": "queu:x", "all": "1"}, "is not valid"),
        ({"do": "cancel", "q": "queue:mail"}, "No job is selected"),
        ({"do": "retry", "all": "1"}, "All jobs of the install"),
    ],
)
def test_what_cannot_be_done_or_is_dangerous_is_said_before(http: httpx.Client, query: dict[str, str], says: str) -> None:
    answer = http.get("operations/new", params=query)
    assert answer.status_code == 200
    assert says in answer.text


def test_what_is_no_verb_or_no_operation_is_refused(http: httpx.Client) -> None:
    assert http.get("operations/new", params={"do": "drop"}).status_code == 422
    assert http.get("operations/999").status_code == 404
    assert http.get("operations/..%2Fjobs").status_code in (404, 422)


def test_a_change_that_is_refused_says_so_on_the_page_of_the_question(http: httpx.Client, sql: Sql) -> None:
    id = sql.enqueue()
    asked = http.get("operations/new", params={"do": "priority", "id": id})
    shown = send(http, asked, "operations/new", reason="x", priority="1000")
    assert shown.url.path == "/operations/new"
    assert 'class="notice bad"' in shown.text
    assert sql.job(id)["priority"] == 0


def test_an_install_without_operations_says_where_they_begin(http: httpx.Client, app: PgQueue) -> None:
    assert "There was no work on many jobs yet" in http.get("operations").text
    assert "No operation is under way" in http.get("operations", params={"only_open": "1"}).text
