"""An open page shows what happens, without a reload."""

import time

from playwright.sync_api import Page, expect

from pgqueue import PgQueue


def test_a_page_shows_a_change_within_a_second_and_keeps_what_is_open(app: PgQueue, page: Page) -> None:
    app.pause("mail", reason="the server is down")
    page.goto("audit")
    page.locator("details[id^=details-]").click()
    began = time.monotonic()
    app.resume("mail")
    expect(page.locator("main tbody tr[id]")).to_have_count(2)
    assert time.monotonic() - began < 1.5
    expect(page.locator("details[id^=details-][open]")).to_have_count(1)
