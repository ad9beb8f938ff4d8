"""An open page shows what happens, without a reload, and nothing moves under the hand."""

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from pgqueue import PgQueue
from pgqueue.api.service import Service
from tests.waiting import until

from . import chromium

HIDE = """is => {
  Object.defineProperty(document, 'hidden', {value: is, configurable: true});
  document.dispatchEvent(new Event('visibilitychange'));
}"""
ASK = """async (times) => {
  const { ask } = await import(document.querySelector('script[type=module]').src.replace('main.js', 'live.js'));
  for (let n = 0; n < times; n++) { document.querySelector('main').dataset.shown = ''; await ask(); }
}"""


@pytest.fixture
def tabs(browser: Browser, url: str) -> Iterator[list[Page]]:
    """Nine tabs of one browser, all in front."""
    with chromium.context(browser, url) as profile:
        yield [profile.new_page() for _ in range(9)]


@pytest.fixture
def other(page: Page) -> Page:
    """Another tab of the browser: what it shows, the same stream has told the first one, too."""
    opened = page.context.new_page()
    opened.goto("audit")
    expect(opened.locator("[data-live-state]")).to_have_text("live")
    return opened


def _open(service: Service, count: int) -> None:
    until(lambda: service.streams.open == count, f"{count} streams are open", 10)


@pytest.mark.alone
def test_a_page_shows_a_change_within_a_second(app: PgQueue, page: Page) -> None:
    page.goto("audit")
    expect(page.locator("[data-live-state]")).to_have_text("live")
    took = []
    for number in range(3):
        began = time.monotonic()
        app.pause(f"queue-{number}")
        expect(page.locator("main tbody tr[id]")).to_have_count(number + 1)
        took.append(time.monotonic() - began)
    assert min(took) < 1.5, took


def test_a_page_shows_a_change_and_keeps_what_is_open(app: PgQueue, page: Page) -> None:
    app.pause("mail", reason="the server is down")
    page.goto("audit")
    page.locator("details[id^=details-]").click()
    page.keyboard.press("j")
    app.resume("mail")
    expect(page.locator("main tbody tr[id]")).to_have_count(2)
    expect(page.locator("details[id^=details-][open]")).to_have_count(1)
    expect(page.locator("main tr[id^=entry-]").nth(1)).to_have_attribute("data-at", "")
    expect(page.locator("main tr[id^=entry-]").nth(1).locator("a, summary").first).to_be_focused()


def test_nothing_is_shown_anew_while_somebody_fills_in_a_field_or_has_paused(app: PgQueue, page: Page, other: Page) -> None:
    page.goto("audit")
    page.get_by_label("Subject").fill("ma")
    app.pause("mail")
    expect(page.locator("[data-live-state]")).to_have_text("waits while you act")
    expect(other.locator("main tr[id^=entry-]")).to_have_count(1)
    page.evaluate(ASK, 1)
    expect(page.locator("main tr[id^=entry-]")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.locator("main tr[id^=entry-]")).to_have_count(1)
    expect(page.get_by_label("Subject")).to_have_value("ma")
    page.keyboard.press("p")
    expect(page.locator("[data-live-state]")).to_have_text("paused")
    expect(page.get_by_role("status")).to_have_text("Live figures are paused.")
    app.resume("mail")
    expect(other.locator("main tr[id^=entry-]")).to_have_count(2)
    page.evaluate(ASK, 1)
    expect(page.locator("main tr[id^=entry-]")).to_have_count(1)
    page.keyboard.press("p")
    expect(page.locator("main tr[id^=entry-]")).to_have_count(2)


def test_a_hidden_tab_has_no_stream_and_catches_up_when_it_is_shown(app: PgQueue, page: Page, service: Service) -> None:
    page.goto("audit")
    _open(service, 1)
    page.evaluate(HIDE, True)
    _open(service, 0)
    app.pause("mail")
    page.evaluate(ASK, 1)
    expect(page.locator("main tr[id^=entry-]")).to_have_count(0)
    page.evaluate(HIDE, False)
    expect(page.locator("main tr[id^=entry-]")).to_have_count(1)
    _open(service, 1)


def test_nine_tabs_in_front_share_a_stream_and_stay_usable(app: PgQueue, tabs: list[Page], service: Service) -> None:
    """A browser has six connections to a server over HTTP/1.1."""
    for tab in tabs:
        tab.goto("audit")
    _open(service, 1)
    app.pause("mail")
    for tab in tabs:
        expect(tab.locator("main tr[id^=entry-]")).to_have_count(1)
    tabs[0].close()
    app.resume("mail")
    for tab in tabs[1:]:
        expect(tab.locator("main tr[id^=entry-]")).to_have_count(2)
    tabs[1].goto("audit?by=ann")
    expect(tabs[1].locator(".empty")).to_be_visible()
    _open(service, 1)


def test_fifty_pages_later_one_stream_is_open_and_nobody_listens_twice(app: PgQueue, page: Page, service: Service) -> None:
    app.pause("mail")
    for number in range(50):
        page.goto(f"audit?by={number}", wait_until="commit")
    page.goto("audit")
    _open(service, 1)
    app.resume("mail")
    expect(page.locator("main tr[id^=entry-]")).to_have_count(2)


def test_many_updates_leave_no_elements_listeners_or_heap_behind(app: PgQueue, page: Page) -> None:
    for number in range(60):
        app.pause(f"queue-{number}")
    page.goto("audit")
    client = page.context.new_cdp_session(page)
    client.send("Performance.enable")

    def measured() -> dict[str, float]:
        """What is left; what is garbage may take more than one collection on a busy machine."""
        client.send("HeapProfiler.collectGarbage")
        return {one["name"]: one["value"] for one in client.send("Performance.getMetrics")["metrics"]}

    page.evaluate(ASK, 5)
    before = measured()
    page.evaluate(ASK, 60)
    most = {
        "Nodes": before["Nodes"] + 50,
        "JSEventListeners": before["JSEventListeners"] + 5,
        "JSHeapUsedSize": before["JSHeapUsedSize"] * 1.25 + 500_000,
    }
    until(lambda: not [name for name, bound in most.items() if measured()[name] > bound], f"no more is left than {most}")
