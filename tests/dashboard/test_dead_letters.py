"""Dead letters: kinds of failures, one kind, and what can be done with them."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from pgqueue import PgQueue
from pgqueue.dashboard import Viewer
from tests.client.manual_worker import ManualWorker
from tests.dashboard.acting import seen_by
from tests.dashboard.forms import said, send
from tests.looking import Look

Bury = Callable[..., list[int]]
HOSTILE = "<script>alert(1)</script> \u202e\" ' 😀"


@pytest.fixture
def bury(app: PgQueue, look: Look, manual_worker: ManualWorker) -> Bury:
    """Makes dead letters that have failed with an error of this type and text."""

    @app.task(name="mail.send")
    def mail(user: int, note: Any = None) -> None: ...

    def bury(many: int = 1, type: str = "ValueError", message: str = "no such page", **args: Any) -> list[int]:
        ids = [mail.using(queue="default").enqueue(n, **args).id for n in range(many)]
        text = f'Traceback (most recent call last):\n  File "/srv/shop.py", line 1, in send\n    go()\n{type}: {message}\n'
        for job in manual_worker.claim():
            error = {"type": type, "types": [type], "message": message, "traceback": text}
            manual_worker.finish(job, state="failed", final=True, error=error)
        return ids

    return bury


def fingerprint_of(look: Look, job_id: int) -> str:
    return str(look.value("select fingerprint from dead_letter where id = %s", job_id))


def operation(look: Look, answer: httpx.Response) -> dict[str, Any]:
    """The operation to whose page an act has led, once it is over."""
    assert answer.history, answer.text
    id = int(answer.url.path.rpartition("/")[2])
    while look.value("select carry_on_operations(only_id => %s)", id) is not None:
        pass
    return look.rows("select * from operations where id = %s", id)[0]


def test_each_kind_of_failure_is_one_row_and_leads_to_its_page(bury: Bury, look: Look, http: httpx.Client) -> None:
    many, (one,) = bury(3), bury(1, "KeyError", HOSTILE)
    html = http.get("dead-letters").text
    assert html.index(fingerprint_of(look, many[0])) < html.index(fingerprint_of(look, one))
    assert "3 in the last 24 hours" in html
    assert "<script>alert" not in html
    html = http.get("dead-letters?sort=last_at").text
    assert html.index(fingerprint_of(look, one)) < html.index(fingerprint_of(look, many[0]))
    assert fingerprint_of(look, one) not in http.get("dead-letters?error=ValueError").text
    assert "is not valid" in http.get("dead-letters?since=soon").text


def test_without_dead_letters_the_page_says_so(http: httpx.Client) -> None:
    assert "no job has failed for good" in http.get("dead-letters").text
    assert "No dead letter matches" in http.get("dead-letters?task=x").text
    answer = http.get("dead-letters/0123456789abcdef")
    assert (answer.status_code, "all were retried or removed" in answer.text) == (200, True)


def test_a_kind_shows_its_traceback_its_jobs_and_who_ran_them(bury: Bury, look: Look, http: httpx.Client) -> None:
    ids = bury(30, message=HOSTILE)
    path = f"dead-letters/{fingerprint_of(look, ids[0])}"
    html = http.get(path).text
    assert '<pre class="own">  File &#34;/srv/shop.py&#34;' in html
    assert "<script>alert" not in html
    assert 'aria-label="100 per cent"' in html
    assert html.count('id="letter-') == 25
    following = http.get(path + html.partition('rel="next" href="')[2].partition('"')[0].partition("?")[2].join(("?", ""))).text
    assert following.count('id="letter-') == 5


def test_all_of_a_kind_run_again_paced_and_those_of_others_do_not(bury: Bury, look: Look, http: httpx.Client) -> None:
    ids, (other,) = bury(3), bury(1, "KeyError", "a")
    path = f"dead-letters/{fingerprint_of(look, ids[0])}"
    assert "Retry 3 dead letters" in http.get(path).text
    done = operation(look, send(http, path, f"{path}/retry", per_second="1000", reason="it is up again"))
    assert (done["kind"], done["done"], done["per_second"], done["reason"]) == ("retry", 3, 1000, "it is up again")
    assert {look.state(id) for id in ids} == {"ready"}
    assert look.state(other) == "failed"


def test_in_a_filtered_list_only_those_that_it_counts_run_again(bury: Bury, look: Look, http: httpx.Client) -> None:
    kind = fingerprint_of(look, bury(3)[0])
    look.value("update dead_letter set queue = 'mail' where id = (select min(id) from dead_letter)")
    page = "dead-letters?queue=mail&since=-2h"
    assert "1 dead letter of this kind that matches the filter runs again" in http.get(page).text
    answer = send(http, page, f"dead-letters/{kind}/retry")
    assert (operation(look, answer)["matched"], look.value("select count(*) from dead_letter")) == (1, 2)


def test_a_pace_that_is_no_number_is_refused_in_words(bury: Bury, look: Look, http: httpx.Client) -> None:
    path = f"dead-letters/{fingerprint_of(look, *bury())}"
    assert "per_second" in said(send(http, path, f"{path}/retry", per_second="fast"))
    assert look.value("select count(*) from operations") == 0


def test_all_of_a_kind_are_removed_with_a_reason(bury: Bury, look: Look, http: httpx.Client) -> None:
    path = f"dead-letters/{fingerprint_of(look, bury(2)[0])}"
    assert "Discard 2 dead letters" in http.get(path).text
    done = operation(look, send(http, path, f"{path}/discard", reason="of a test"))
    assert (done["kind"], done["done"], done["reason"]) == ("discard", 2, "of a test")
    assert "all were retried or removed" in http.get(path).text


def test_one_runs_again_or_is_removed_and_one_that_is_gone_is_said_to_be(bury: Bury, look: Look, http: httpx.Client) -> None:
    one, two, three = bury(3)
    path = f"dead-letters/{fingerprint_of(look, one)}"
    assert said(send(http, path, f"dead-letters/jobs/{one}/retry")) == f"Job {one} runs again."
    assert look.state(one) == "ready"
    assert said(send(http, path, f"dead-letters/jobs/{two}/discard", reason="of a test")) == f"Job {two} is removed."
    assert look.rows("select reason from discard_log where job_id = %s", two) == [{"reason": "of a test"}]
    shown = http.get(path)
    look.rows("select retry(%s)", three)  # by a colleague, while this page is open
    assert "no dead letter" in said(send(http, shown, f"dead-letters/jobs/{three}/retry"))


def test_one_that_has_come_back_three_times_asks_first(bury: Bury, look: Look, http: httpx.Client) -> None:
    (id,) = bury()
    look.rows("update dead_letter set control = '{\"retried\": 3}' where id = %s", id)
    path = f"dead-letters/{fingerprint_of(look, id)}"
    assert "has come back 3 times" in http.get(path).text
    assert said(send(http, path, f"dead-letters/jobs/{id}/retry")) == f"Job {id} runs again."


def test_one_runs_again_with_other_arguments_whose_numbers_stay_exact(bury: Bury, look: Look, http: httpx.Client) -> None:
    (id,) = bury(note=HOSTILE)
    path = f"dead-letters/jobs/{id}/edit"
    html = http.get(path).text
    assert "<script>alert" not in html
    assert "\n  &#34;user&#34;: 0\n}</textarea>" in html  # a member a line
    wrong = send(http, path, path, args='{"user": 1.10, ')
    assert (wrong.status_code, "this is no JSON" in wrong.text, "1.10, </textarea>" in wrong.text) == (422, True, True)
    missing = send(http, path, path, args='{"note": "<b>"}')
    assert (missing.status_code, "&lt;b&gt;" in missing.text, "user" in missing.text) == (422, True, True)
    answer = send(http, path, path, args='{"user": 12345678901234567890, "note": 1.10}')
    assert said(answer) == f"Job {id} runs again, with other arguments."
    assert look.value("select args::text from job where id = %s", id) == '{"note": 1.10, "user": 12345678901234567890}'


def test_arguments_with_secrets_are_not_edited_because_the_secret_would_be_lost(
    bury: Bury, look: Look, http: httpx.Client
) -> None:
    (id,) = bury(note={"password": "hunter2"})
    path = f"dead-letters/jobs/{id}/edit"
    html = http.get(path).text
    assert ("hunter2" in html, "<textarea" in html, "secrets, which are not shown" in html) == (False, False, True)
    # A form that was made by hand is refused, too.
    token = http.get(f"dead-letters/{fingerprint_of(look, id)}").text.partition('name="csrf" value="')[2].partition('"')[0]
    typed = '{"user": 1, "note": {"password": "[redacted]"}}'
    assert http.post(path, data={"csrf": token, "args": typed}).status_code == 422
    assert look.state(id) == "failed"


@pytest.mark.parametrize(
    ("viewer", "shown", "hidden"),
    [
        (Viewer("ann", "viewer"), [], ["/retry", "/discard", "/edit"]),
        (Viewer("ann", "operator"), ["/retry", "/discard"], ["/edit"]),
        (Viewer("ann", "admin"), ["/retry", "/discard", "/edit"], []),
        (Viewer("ann", "viewer", may_read_arguments=False), [], ["/retry", "no such page", "Traceback"]),
    ],
    ids=["viewer", "operator", "admin", "without arguments"],
)
def test_what_a_role_may_not_do_or_see_is_not_there(
    app: PgQueue, bury: Bury, look: Look, viewer: Viewer, shown: list[str], hidden: list[str]
) -> None:
    (id,) = bury()
    with seen_by(app, viewer) as http:
        html = http.get(f"dead-letters/{fingerprint_of(look, id)}").text
        assert [part for part in shown if part not in html] == []
        assert [part for part in hidden if part in html] == []
        answer = http.get(f"dead-letters/jobs/{id}/edit")
        assert (answer.status_code == 403) is (viewer.role == "viewer")
        assert ("<textarea" in answer.text) is (viewer.role == "admin")


def test_a_viewer_of_other_queues_does_not_see_the_kind(app: PgQueue, bury: Bury, look: Look) -> None:
    path = f"dead-letters/{fingerprint_of(look, *bury())}"
    with seen_by(app, Viewer("ann", "operator", ["other"])) as http:
        assert "all were retried or removed" in http.get(path).text
        assert "no job has failed for good" in http.get("dead-letters").text


def test_a_dialog_stays_open_while_others_fail_and_its_act_works(bury: Bury, look: Look, page: Page) -> None:
    (id,) = bury()
    page.goto(f"dead-letters/{fingerprint_of(look, id)}")
    page.get_by_text("Retry all…").click()
    bury(4)
    expect(page.locator("[data-live-state]")).to_have_text("waits while you act")
    page.keyboard.press("Escape")
    expect(page.locator("main tbody tr[id^=letter-]")).to_have_count(5)
    page.locator(f"#letter-{id}").get_by_text("Discard…").click()
    page.get_by_role("button", name=f"Discard job {id}").click()
    expect(page.locator(".notice")).to_have_text(f"Job {id} is removed.")
    expect(page.locator("main tbody tr[id^=letter-]")).to_have_count(4)
