"""The form that enqueues: fields from the task, JSON for all else, and nothing that was typed is lost."""

import html
import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from enum import Enum
from typing import Annotated, Any, Literal

import httpx
import psycopg
import pytest
from pydantic import BaseModel, Field

from pgqueue import PgQueue
from pgqueue.dashboard import Viewer
from pgqueue.dashboard.pages import enqueue
from tests.dashboard.acting import seen_by
from tests.dashboard.forms import hidden_in, said, send
from tests.sql.conftest import Sql


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Address(BaseModel):
    city: str
    next: "Address | None" = None


@pytest.fixture
def send_mail(app: PgQueue) -> str:
    """A task with an argument of each kind."""

    @app.task(queue="mail", priority="high")
    def send_mail(
        to: str,
        copies: int = 1,
        share: float | None = None,
        lang: Literal["en", "de"] = "en",
        colour: Colour = Colour.RED,
        urgent: bool = False,
        day: date | None = None,
        at: datetime | None = None,
        address: Address | None = None,
        tags: list[str] = [],  # noqa: B006
        anything: Any = None,
        note: Annotated[str, Field(description="<b>as written</b>", max_length=20)] = "none",
        password: str = "",
    ) -> None:
        """Send <i>a mail</i>.

        Args:
            to: who gets it
        """

    return "enqueue?task=send_mail"


def errors_of(page: str) -> dict[str, str]:
    """What is wrong, by the name of the field that says so."""
    found = {}
    for name, ids in re.findall(r'name="([^"]+)"[^>]*aria-invalid="true"[^>]*aria-describedby="([^"]+)"', page):
        text = re.search(rf'id="{ids.split()[-1]}">([^<]*)<', page)
        assert text is not None
        found[html.unescape(name).removeprefix("arg:")] = html.unescape(text[1])
    return found


def args_of(sql: Sql, id: int) -> Any:
    return sql.value("select args from job where id = %s", id)


def id_of(answer: httpx.Response) -> int:
    assert answer.history, answer.text
    return int(answer.url.path.rpartition("/")[2])


def test_each_kind_of_argument_has_its_field_and_is_sent_as_it_is(http: httpx.Client, sql: Sql, send_mail: str) -> None:
    page = http.get(send_mail).text
    assert "who gets it" in page
    assert "&lt;b&gt;as written&lt;/b&gt;" in page
    assert re.search(r'<select[^>]*name="arg:lang".*?default: en.*?</select>', page, re.S)
    assert re.search(r'<input[^>]*name="arg:password"[^>]*type="password"', page)
    assert re.search(r'<input[^>]*name="arg:day"[^>]*type="date"', page)
    given = {
        "arg:to": "ann <ann@example.org>", "arg:copies": "3", "arg:share": "0.25", "arg:lang": '"de"', "arg:colour": '"blue"',
        "arg:urgent": "true", "arg:day": "2030-02-28", "arg:at": "2030-02-28T12:00:00Z",
        "arg:address": '{"city": "Bern", "next": {"city": "Thun"}}', "arg:tags": '["a", "b"]', "arg:anything": "[1, null]",
        "arg:note": "", "arg:password": "",
    }  # fmt: skip
    answer = send(http, send_mail, send_mail, **given, priority="-3", run_after="60", retry="7", meta='{"by": "ann"}')
    assert said(answer) == "The job was added."
    id = id_of(answer)
    found = args_of(sql, id)
    assert found == {
        "to": "ann <ann@example.org>", "copies": 3, "share": 0.25, "lang": "de", "colour": "blue", "urgent": True,
        "day": "2030-02-28", "at": found["at"], "address": {"city": "Bern", "next": {"city": "Thun"}}, "tags": ["a", "b"],
        "anything": [1, None],
    }  # fmt: skip
    job = sql.job(id)
    assert (job["queue"], job["priority"], job["state"], job["max_attempts"]) == ("mail", -3, "scheduled", 8)
    assert job["meta"] == {"by": "ann"}


def test_errors_stand_beside_their_fields_and_what_was_typed_is_kept(http: httpx.Client, sql: Sql, send_mail: str) -> None:
    typed = {"arg:to": '"><script>alert(1)</script>', "arg:copies": "many", "arg:tags": "[", "meta": "{", "queue": "x y"}
    answer = send(http, send_mail, send_mail, **typed)
    assert answer.status_code == 422
    assert "<script>alert" not in answer.text
    assert html.escape('"><script>alert(1)</script>', quote=False).replace('"', "&#34;") in answer.text
    wrong = errors_of(answer.text)
    assert wrong.keys() == {"copies", "tags", "meta"}
    assert wrong["copies"] == "use a number"
    answer = send(http, send_mail, send_mail, **{"arg:to": "ann", "arg:copies": "1.5", "priority": "1000", "queue": "mail"})
    assert errors_of(answer.text).keys() == {"priority"}
    answer = send(http, send_mail, send_mail, **{"arg:to": "ann", "arg:copies": "1.5", "arg:note": "x" * 21, "queue": "x y"})
    assert errors_of(answer.text).keys() & {"copies", "note", "queue"}
    assert "1.5" in answer.text
    answer = send(http, send_mail, send_mail, **{"arg:to": "", "depends_on": "12345"})
    assert errors_of(answer.text)["to"].startswith("it is needed")
    answer = send(http, send_mail, send_mail, **{"arg:to": "ann", "depends_on": "12345"})
    assert answer.status_code == 404
    assert "there is no job 12345" in errors_of(answer.text)["depends_on"]
    assert sql.value("select count(*) from job") == 0


def test_what_the_task_itself_refuses_stands_beside_its_argument(http: httpx.Client, send_mail: str) -> None:
    answer = send(http, send_mail, send_mail, **{"arg:to": "ann", "arg:copies": "1.5", "arg:note": "x" * 21})
    assert answer.status_code == 422
    wrong = errors_of(answer.text)
    assert "integer" in wrong["copies"]
    assert "20 characters" in wrong["note"]


def test_from_fields_to_json_and_back_nothing_is_lost(http: httpx.Client, sql: Sql, send_mail: str) -> None:
    typed = {"arg:to": "ann", "arg:copies": "2", "arg:tags": '["<b>"]', "priority": "9"}
    page = send(http, send_mail, send_mail, other="yes", **typed).text
    text = re.search(r'<textarea name="args"[^>]*>(.*?)</textarea>', page, re.S)
    assert text is not None
    args = json.loads(html.unescape(text[1]))
    assert args == {"to": "ann", "copies": 2, "tags": ["<b>"]}
    assert re.search(r'name="priority" value="9"', page)
    page = send(http, send_mail, send_mail, other="yes", args=json.dumps(args)).text
    assert re.search(r'name="arg:copies"[^>]*value="2"', page)
    page = send(http, send_mail, send_mail, other="yes", args='{"to": null}').text
    assert "cannot hold" in errors_of(page)["args"]
    assert args_of(sql, id_of(send(http, send_mail, send_mail, args='{"to": ""}')))["to"] == ""


def test_a_task_that_the_server_does_not_have_takes_json(http: httpx.Client, sql: Sql) -> None:
    page = "enqueue?task=a%2Fb+%3Cc%3E"
    assert "does not know its arguments" in http.get(page).text
    for text, why in (("[1]", "give an object"), ("{", "no JSON"), ('{"a": 1, "a": 2}', "twice"), ("NaN", "no JSON")):
        answer = send(http, page, page, task="a/b <c>", args=text)
        assert answer.status_code == 422
        assert why in errors_of(answer.text)["args"], text
    id = id_of(send(http, page, page, task="a/b <c>", args='{"n": 0.50, "big": 12345678901234567890123}', unique="until_done"))
    assert sql.job(id)["task"] == "a/b <c>"
    assert sql.value("select args::text from job where id = %s", id) == '{"n": 0.50, "big": 12345678901234567890123}'
    again = send(http, page, page, task="a/b <c>", args='{"big": 12345678901234567890123, "n": 0.50}', unique="until_done")
    assert id_of(again) == id
    assert "already" in said(again)


def test_a_job_is_enqueued_again_with_changes(http: httpx.Client, sql: Sql, send_mail: str) -> None:
    old = sql.enqueue("send_mail", {"to": "ann", "tags": ["x"]}, queue="slow", priority=50, meta='{"by": "ann"}')
    page = http.get(f"enqueue?from={old}").text
    assert re.search(r'name="arg:to"[^>]*value="ann"', page)
    assert re.search(r'name="queue" value="slow"', page)
    assert re.search(r'name="priority" value=""', page), "it is that of the task"
    answer = send(http, f"enqueue?from={old}", send_mail, **{"arg:to": "eve", "arg:tags": '["x"]', "queue": "slow"})
    assert args_of(sql, id_of(answer)) == {"to": "eve", "tags": ["x"]}
    odd = sql.enqueue("send_mail", {"unknown": 1})
    assert "unknown" in http.get(f"enqueue?from={odd}").text


def test_arguments_that_are_not_known_in_full_are_not_enqueued_again(app: PgQueue, http: httpx.Client, sql: Sql) -> None:
    secret = sql.enqueue(args={"deep": [{"password": "hunter2"}]})
    large = sql.enqueue(args={"text": "x" * 100_000})
    plain = sql.enqueue(args={"n": 1})
    for id, why in ((secret, "secrets"), (large, "65,536 bytes")):
        answer = http.get(f"enqueue?from={id}")
        assert answer.status_code == 409
        assert why in answer.text
    with seen_by(app, Viewer("ann", "admin", may_read_arguments=False)) as client:
        assert client.get(f"enqueue?from={plain}").status_code == 409
    assert http.get(f"enqueue?from={plain}").status_code == 200
    assert http.get("enqueue?from=999999").status_code == 404
    assert http.get("enqueue?from=x").status_code == 422


def test_tasks_are_listed_and_only_who_may_enqueue_sees_the_form(
    app: PgQueue, http: httpx.Client, sql: Sql, send_mail: str
) -> None:
    sql.rows("update worker set tasks = '{theirs}' where id = %s", sql.worker())
    page = http.get("enqueue").text
    assert 'href="./enqueue?task=send_mail"' in page
    assert 'href="./enqueue?task=theirs"' in page
    assert "Send &lt;i&gt;a mail&lt;/i&gt;." in page
    for viewer in (Viewer("eve", "viewer"), Viewer("eve", "operator")):
        with seen_by(app, viewer) as client:
            assert client.get("enqueue").status_code == 403
            assert client.get(send_mail).status_code == 403


def test_a_form_that_is_sent_twice_adds_one_job_and_with_other_arguments_another_one(
    http: httpx.Client, sql: Sql, send_mail: str
) -> None:
    """As by a double click, of which the second request comes while the first one is under way."""
    form = hidden_in(http.get(send_mail).text) | {"arg:to": ["ann"]}
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda _: http.post(send_mail, data=form, follow_redirects=True), range(4)))
    assert len({id_of(one) for one in answers}) == 1
    assert sql.value("select count(*) from job") == 1
    assert "no other one was added" in said(http.post(send_mail, data=form, follow_redirects=True))
    anew = hidden_in(http.get(send_mail).text) | {"arg:to": ["ann"]}
    for other in (form | {"arg:to": ["eve"]}, anew):
        assert said(http.post(send_mail, data=other, follow_redirects=True)) == "The job was added."
    assert sql.value("select count(*) from job") == 3


def test_a_form_that_comes_while_its_first_request_is_under_way_waits_for_it(
    http: httpx.Client, connect: Callable[..., psycopg.Connection[Any]], sql: Sql, send_mail: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = hidden_in(http.get(send_mail).text) | {"arg:to": ["ann"]}
    holder, refused = connect(autocommit=False), list[str]()

    class Patience:
        """Lets the first request go on as soon as the second one was refused."""

        def __iter__(self) -> Iterator[float]:
            yield 0.01
            refused.append("once")
            holder.rollback()
            yield from [0.1] * 100

    monkeypatch.setattr(enqueue, "PATIENCE", Patience())
    holder.execute("lock table job in share row exclusive mode")
    with ThreadPoolExecutor() as pool:
        answers = [pool.submit(http.post, send_mail, data=form, follow_redirects=True) for _ in range(2)]
        assert len({id_of(one.result()) for one in answers}) == 1
    assert refused == ["once"]
    assert sql.value("select count(*) from job") == 1


def test_a_form_of_another_session_enqueues_nothing(http: httpx.Client, sql: Sql, send_mail: str) -> None:
    http.get(send_mail)
    assert http.post(send_mail, data={"csrf": "0" * 64, "arg:to": "ann"}).status_code == 403
    assert sql.value("select count(*) from job") == 0
