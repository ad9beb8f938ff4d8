"""The pages of schedules: ticks on two clocks, forms that show what they would do, and what they do."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from pgqueue import PgQueue
from tests.api.keyed import key_of
from tests.looking import Look

from .forms import send, text_of

EDIT = "schedules/nightly/edit"
BERLIN = {"timezone": "Europe/Berlin", "cron": "30 2 * * *", "every": ""}


@pytest.fixture
def schedules(app: PgQueue) -> PgQueue:
    """A schedule in Berlin, and one in Tokyo that is paused."""

    @app.task
    def report(region: str = "eu", token: str = "") -> None: ...

    app.schedules.set("nightly", report.using(queue="slow").s("eu"), cron="30 2 * * *", timezone="Europe/Berlin")
    app.schedules.set("asia", report.s("asia"), cron="0 9 * * *", timezone="Asia/Tokyo")
    app.schedules.pause("asia")
    return app


def test_the_list_says_when_they_fire_in_words_and_what_is_paused(schedules: PgQueue, http: httpx.Client) -> None:
    shown = text_of(http.get("schedules"))
    assert "at 02:30 every day, Europe/Berlin" in shown
    assert "at 09:00 every day, Asia/Tokyo" in shown
    assert shown.count("paused") == 1
    assert "nightly" not in text_of(http.get("schedules?prefix=as"))


def test_an_empty_install_says_what_to_do(http: httpx.Client) -> None:
    assert "@app.task(cron=" in text_of(http.get("schedules"))


def test_a_tick_stands_on_the_clock_of_its_zone_and_on_that_of_who_looks(schedules: PgQueue, http: httpx.Client) -> None:
    page = http.get("schedules/asia").text
    assert ", 09:00 JST</td>" in page
    assert '<time data-clock="" datetime="' in page
    assert page.count(", 00:00 UTC</time>") == 10


def test_the_ticks_of_a_change_of_clocks_are_shown_before_it_is_saved(schedules: PgQueue, http: httpx.Client) -> None:
    spring = send(http, EDIT, EDIT, do="preview", **BERLIN, starts_at="2027-03-27T12:00")
    shown = text_of(spring)
    assert "It would fire at 02:30 every day, Europe/Berlin" in shown
    assert "Sun, 28 Mar 2027, 03:00 CEST Sun, 28 Mar 2027, 01:00 UTC" in shown, "the time in the gap is its end"
    assert "Mon, 29 Mar 2027, 02:30 CEST Mon, 29 Mar 2027, 00:30 UTC" in shown
    assert 'value="2027-03-27T12:00"' in spring.text, "what was typed stays"

    autumn = text_of(send(http, EDIT, EDIT, do="preview", **BERLIN | {"cron": "0 * * * *"}, starts_at="2027-10-31T02:00"))
    assert autumn.count("Sun, 31 Oct 2027, 02:00 CE") == 2, "the hour that comes twice"
    assert "starts_at" not in schedules.schedules.get("nightly").definition


def test_times_are_those_of_the_clock_in_the_zone_of_the_schedule(schedules: PgQueue, http: httpx.Client) -> None:
    send(http, EDIT, EDIT, do="save", **BERLIN, starts_at="2027-03-28T02:30", ends_at="2027-07-01T00:00")
    definition = schedules.schedules.get("nightly").definition
    assert datetime.fromisoformat(definition["starts_at"]) == datetime(2027, 3, 28, 1, tzinfo=UTC), "the end of the gap"
    assert datetime.fromisoformat(definition["ends_at"]) == datetime(2027, 6, 30, 22, tzinfo=UTC)

    page = http.get(EDIT).text
    assert 'name="ends_at" value="2027-07-01T00:00:00"' in page
    fields = {"cron": "30 2 * * *", "every": "", "starts_at": "2027-03-28T03:00:00", "ends_at": "2027-07-01T00:00:00"}
    send(http, EDIT, EDIT, do="save", timezone="Asia/Tokyo", **fields)
    ends = schedules.schedules.get("nightly").definition["ends_at"]
    assert datetime.fromisoformat(ends) == datetime(2027, 6, 30, 15, tzinfo=UTC), "the same time of another clock"


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"cron": "61 * * * *"}, "cron"),
        ({"cron": "", "every": "often"}, "every"),
        ({"timezone": "Europe/Berlim"}, "timezone"),
        ({"starts_at": "tomorrow"}, "starts_at"),
        ({"args": "{eu}"}, "args"),
        ({"args": '{"token": "[redacted]"}'}, "args"),
        ({"most": "0"}, "most"),
    ],
)
def test_a_value_that_is_none_is_told_beside_its_field(
    schedules: PgQueue, http: httpx.Client, typed: dict[str, str], field: str
) -> None:
    before = schedules.schedules.get("nightly").definition
    answer = send(http, EDIT, EDIT, do="save", **BERLIN | typed)
    assert answer.status_code == 422, text_of(answer)
    assert f'id="{field}-fault"' in answer.text, text_of(answer)
    assert schedules.schedules.get("nightly").definition == before


def test_a_secret_that_is_not_shown_is_not_lost(schedules: PgQueue, http: httpx.Client) -> None:
    report = schedules.tasks["report"]
    schedules.schedules.set("nightly", report.s("eu", token="s3cret"))
    page = http.get(EDIT).text
    assert "s3cret" not in page
    args = '{\n  "token": "[redacted]",\n  "region": "eu"\n}'
    assert "[redacted]" in page
    send(http, EDIT, EDIT, do="save", **BERLIN, jitter="5")
    send(http, EDIT, EDIT, do="save", **BERLIN, args=args.replace("eu", "us"))
    definition = schedules.schedules.get("nightly").definition
    assert (definition["job"]["args"]["token"], definition["jitter"]) == ("s3cret", 5)


def test_editing_changes_only_what_was_changed_and_from_cron_to_an_interval(schedules: PgQueue, http: httpx.Client) -> None:
    assert "Nothing was changed" in text_of(send(http, EDIT, EDIT, do="save", **BERLIN))
    assert "is changed" in text_of(send(http, EDIT, EDIT, do="save", timezone="Europe/Berlin", cron="", every="90"))
    status = schedules.schedules.get("nightly")
    assert (status.cron, status.every, status.definition["job"]["queue"]) == (None, 90, "slow")


def test_who_edits_what_has_changed_meanwhile_is_told(schedules: PgQueue, http: httpx.Client) -> None:
    seen = http.get(EDIT).text.partition('name="seen" value="')[2].partition('"')[0]
    schedules.schedules.set("nightly", cron="0 5 * * *")
    answer = send(http, EDIT, EDIT, do="save", seen=seen, **BERLIN | {"cron": "0 3 * * *"})
    assert answer.status_code == 409
    assert "at 05:00 every day" in text_of(answer)
    assert schedules.schedules.get("nightly").cron == ["0 5 * * *"]


def test_code_that_declares_it_is_named_where_it_is_edited_and_deleted(app: PgQueue, http: httpx.Client, look: Look) -> None:
    look.value("""select declare_schedule('declared', '{"every": 90, "job": {"task": "noop"}}')""")
    assert "Code declares this schedule" in text_of(http.get("schedules/declared/edit"))
    assert "it comes back when the next worker starts" in text_of(http.get("schedules/declared"))


def test_a_new_schedule_shows_its_ticks_first(schedules: PgQueue, http: httpx.Client) -> None:
    new = "schedules/+new"
    typed = {"name": "weekly", "cron": "0 0 13 * 5\n@daily", "timezone": "UTC", "task": "report", "args": '{"region": "us"}'}
    assert "Make the schedule" in text_of(send(http, new, new, do="preview", **typed))
    assert [one.name for one in schedules.schedules.list()] == ["asia", "nightly"]

    assert "The schedule weekly is made" in text_of(send(http, new, new, do="save", **typed))
    status = schedules.schedules.get("weekly")
    assert (status.cron, status.definition["job"]["args"]) == (["0 0 13 * 5", "@daily"], {"region": "us"})
    again = send(http, new, new, do="save", **typed)
    assert again.status_code == 409
    assert 'value="weekly"' in again.text


def test_a_backfill_counts_first_on_the_clock_of_the_schedule(schedules: PgQueue, http: httpx.Client, look: Look) -> None:
    page = "schedules/nightly/backfill"
    times = {"since": "2026-03-28T00:00", "until": "2026-03-31T02:30", "priority": "low"}  # 28, 29 at 03:00, 30; not 31
    counted = send(http, page, page, do="count", **times)
    assert "Make 3 jobs" in text_of(counted)
    assert look.value("select count(*) from job") == 0

    assert "3 jobs are made" in text_of(send(http, page, page, do="make", **times))
    assert look.value("select count(*) from job where priority = -50") == 3
    assert "0 jobs of report would be made" in text_of(send(http, page, page, do="count", **times))
    assert 'id="from-fault"' not in send(http, page, page, do="count", **times | {"since": "x"}).text


def test_pausing_resuming_running_and_deleting(schedules: PgQueue, http: httpx.Client) -> None:
    page = "schedules/nightly"
    assert "makes no more jobs" in text_of(send(http, page, f"{page}/pause"))
    assert "The next tick stays as it is" in text_of(send(http, page, f"{page}/trigger"))
    assert "triggered" in text_of(http.get(page))
    assert '<circle class="succeeded"' in http.get("schedules").text
    assert "makes jobs again" in text_of(send(http, "schedules", f"{page}/resume"))
    assert "is deleted" in text_of(send(http, page, f"{page}/delete"))
    assert http.get(page).status_code == 404


@pytest.mark.parametrize(
    ("role", "sees"), [("viewer", []), ("operator", ["edit", "pause"]), ("admin", ["edit", "pause", "+new"])]
)
def test_each_role_sees_what_it_may(schedules: PgQueue, http: httpx.Client, role: str, sees: list[str]) -> None:
    http.cookies.set("pgqueue_key", key_of(schedules, role))
    shown = http.get("schedules").text + http.get("schedules/nightly").text
    assert [act for act in ("edit", "pause", "+new") if f"/{act}" in shown] == sees
    if role == "operator":
        assert "only an admin may change" in text_of(http.get(EDIT))
        assert http.get("schedules/+new").status_code == 403
        assert "is changed" in text_of(send(http, EDIT, EDIT, do="save", **BERLIN, jitter="3"))


def test_what_cannot_be_computed_and_what_no_code_declares_is_told(app: PgQueue, http: httpx.Client, look: Look) -> None:
    look.value("""select set_schedule('broken', '{"cron": ["<b>99</b> * * * *"], "job": {"task": "<script>"}}')""")
    page = http.get("schedules/broken")
    assert "Its times cannot be computed" in text_of(page)
    assert "<b>99" not in page.text
    assert "<script>" not in page.text.partition("<main")[2].partition("</main>")[0]
    assert http.get("schedules").status_code == http.get("schedules/broken/edit").status_code == 200


def test_a_key_for_some_queues_sees_their_schedules_only(schedules: PgQueue, http: httpx.Client) -> None:
    http.cookies.set("pgqueue_key", key_of(schedules, "operator", queues=["slow"]))
    assert "asia" not in text_of(http.get("schedules"))
    assert http.get("schedules/asia").status_code == 404
    assert http.get("schedules/nightly").status_code == 200


def test_a_schedule_that_has_ended_says_so(app: PgQueue, http: httpx.Client) -> None:
    @app.task
    def noop() -> None: ...

    now = datetime.now(UTC)
    app.schedules.set("over", noop.s(), every=60, starts_at=now - timedelta(days=2), ends_at=now - timedelta(days=1))
    assert "It has ended" in text_of(http.get("schedules/over"))
