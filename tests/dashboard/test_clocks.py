"""Times on the clock of who looks, which only the browser knows; lists that change while they are open."""

from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Page, expect

from pgqueue import PgQueue
from tests.dashboard import chromium
from tests.looking import Look


@pytest.mark.parametrize(
    ("zone", "said"), [("America/New_York", "Sun, 10 Jan 2100, 19:00 EST"), ("Asia/Kolkata", "Mon, 11 Jan 2100, 05:30 GMT+5:30")]
)
def test_a_tick_stands_on_the_clock_of_who_looks(
    app: PgQueue, browser: Browser, url: str, look: Look, zone: str, said: str
) -> None:
    @app.task
    def noop() -> None: ...

    app.schedules.set("rare", noop.s(), cron="0 9 11 1 *", timezone="Asia/Tokyo", starts_at=datetime(2100, 1, 10, tzinfo=UTC))
    with chromium.context(browser, url, timezone_id=zone) as profile:
        page = profile.new_page()
        page.goto("schedules/rare")
        row = page.locator("tr[id^=next-]").first
        expect(row.locator("td").nth(1)).to_have_text("Mon, 11 Jan 2100, 09:00 JST")
        expect(row.locator("td").nth(2)).to_have_text(said)
        look.value("update schedule set next_tick = '2100-01-11 00:00Z' returning 1")  # as a worker does
        page.goto("schedules")
        expect(page.locator("#schedule-rare time[data-clock]")).to_have_text(said.replace(" 2100", "").partition(", ")[2])


def test_a_list_follows_what_happens(app: PgQueue, page: Page) -> None:
    app.limits.set("openai", rate="60/m")
    page.goto("limits")
    expect(page.locator("main tbody tr")).to_have_count(1)
    app.limits.set("tenant", max_running=1)
    expect(page.locator("main tbody tr")).to_have_count(2)


def test_a_form_that_was_refused_stays_as_it_is_while_things_happen(app: PgQueue, browser: Browser, url: str) -> None:
    app.limits.set("openai", rate="60/m")
    with chromium.context(browser, url) as profile:
        page = profile.new_page()
        page.goto("limits/+edit?key=openai")
        page.locator("input[name=rate]").fill("many")
        page.get_by_role("button", name="Save").click()
        expect(page.locator("#rate-fault")).to_contain_text("is not valid")
        with page.expect_response(lambda answer: "x-part" in answer.request.headers):
            app.limits.set("openai", max_running=7)
        with page.expect_response(lambda answer: "x-part" in answer.request.headers):  # the first one is shown by now
            app.limits.set("openai", max_running=8)
        expect(page.locator("#rate-fault")).to_be_visible()
        expect(page.locator("input[name=rate]")).to_have_value("many")
