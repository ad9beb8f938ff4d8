"""What hands do: keys, the theme, copying; and the words for times."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from pgqueue import PgQueue
from pgqueue.dashboard import render
from tests.api.keyed import key_of

from . import chromium


@pytest.fixture
def audited(app: PgQueue, page: Page) -> Page:
    """The audit page with three rows."""
    for name in ("a", "b", "c"):
        app.pause(name, reason=f"reason {name}")
    page.goto("audit")
    expect(page.locator("[data-live-state]")).to_have_text("live")
    return page


@pytest.fixture
def profile(browser: Browser, url: str) -> Iterator[BrowserContext]:
    """A profile that comes by a name, over plain http: no clipboard, no locks."""
    with chromium.context(browser, url.replace("127.0.0.1", "queue.test")) as made:
        yield made


def test_the_keys_move_open_and_leave(audited: Page) -> None:
    rows = audited.locator("main tr[id^=entry-]")
    audited.keyboard.press("/")
    expect(audited.get_by_label("Subject")).to_be_focused()
    audited.keyboard.type("jk?")
    expect(audited.get_by_label("Subject")).to_have_value("jk?")
    expect(audited.locator("#help")).to_be_hidden()
    audited.keyboard.press("Escape")
    expect(audited.get_by_label("Subject")).not_to_be_focused()
    audited.keyboard.press("k")
    expect(rows.nth(0)).to_have_attribute("data-at", "")
    for _ in range(5):
        audited.keyboard.press("j")
    expect(rows.nth(2)).to_have_attribute("data-at", "")
    expect(audited.locator("tr[data-at]")).to_have_count(1)
    audited.keyboard.press("k")
    audited.keyboard.press("Enter")
    expect(audited).to_have_url(re.compile("audit.(by|verb)="))


def test_the_help_opens_and_closes_by_keys_and_gives_the_focus_back(audited: Page) -> None:
    audited.keyboard.press("j")
    audited.keyboard.press("?")
    help = audited.get_by_role("dialog", name="Keys")
    expect(help).to_be_visible()
    audited.keyboard.press("j")
    expect(audited.locator("main tr[id^=entry-]").nth(0)).to_have_attribute("data-at", "")
    audited.keyboard.press("Escape")
    expect(help).to_be_hidden()
    expect(audited.locator("main tr[id^=entry-]").nth(0).locator("a, summary").first).to_be_focused()


def test_two_keys_lead_to_the_pages(audited: Page) -> None:
    for key, path, title in (
        ("j", "jobs", "Jobs"), ("d", "dead-letters", "Dead letters"), ("w", "workflows", "Workflows"), ("o", "", "Overview"),
    ):  # fmt: skip
        audited.keyboard.press("g")
        audited.keyboard.press(key)
        expect(audited).to_have_url(re.compile(rf":\d+/{path}$"))
        expect(audited.get_by_role("heading", level=1)).to_have_text(title)


def test_all_that_acts_is_reached_by_tab_and_the_focus_is_seen(audited: Page) -> None:
    acting = audited.locator("a:visible, button:visible, summary:visible, input:visible, select:visible")
    reached = set[str]()
    for _ in range(acting.count() + 3):
        audited.keyboard.press("Tab")
        mark, outline = audited.evaluate(
            "() => { const e = document.activeElement; e.dataset.n ??= String(document.querySelectorAll('[data-n]').length);"
            " const s = getComputedStyle(e); return [e.tagName + e.dataset.n, s.outlineStyle + s.outlineWidth] }"
        )
        if not mark.startswith("BODY"):
            reached.add(mark)
            assert outline != "none0px", mark
    assert len(reached) >= acting.count()
    audited.goto(audited.url)
    audited.keyboard.press("Tab")
    expect(audited.get_by_text("Skip to the content")).to_be_focused()
    audited.keyboard.press("Enter")
    expect(audited.locator("#content")).to_be_focused()


def test_the_theme_is_that_of_the_system_until_somebody_chooses(audited: Page) -> None:
    ground = "() => getComputedStyle(document.body).backgroundColor"
    colours = {}
    for scheme in ("light", "dark"):
        audited.emulate_media(color_scheme=scheme)
        colours[scheme] = audited.evaluate(ground)
    assert colours["light"] != colours["dark"]
    button = audited.get_by_role("button", name=re.compile("Theme"))
    for chosen in ("light", "dark"):
        button.click()
        expect(button).to_have_text(f"Theme: {chosen}")
        assert audited.evaluate(ground) == colours[chosen]
        audited.reload(wait_until="commit")
        assert f'data-theme="{chosen}"' in audited.context.request.get(audited.url).text()
        assert audited.evaluate(ground) == colours[chosen]
    button.click()
    expect(audited.locator("html")).not_to_have_attribute("data-theme", "dark")


def test_over_plain_http_by_a_name_one_signs_in_sees_changes_and_copies(app: PgQueue, profile: BrowserContext) -> None:
    key = key_of(app, "operator")
    page, complaints = profile.new_page(), chromium.Complaints()
    complaints.hear(page)
    page.goto("audit")
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Audit")).to_be_visible()
    assert not page.evaluate("isSecureContext")
    assert page.evaluate("document.cookie") == ""
    app.pause("mail")
    expect(page.locator("main tr[id^=entry-]")).to_have_count(2)  # with the key
    page.evaluate(
        "document.querySelector('h1').insertAdjacentHTML('afterend', '<button data-copy=\"two <b> words\">copy</button>')"
    )
    page.get_by_role("button", name="copy").click()
    expect(page.get_by_role("status")).to_have_text("Copied.")
    page.get_by_label("Subject").focus()
    page.keyboard.press("Control+V")
    expect(page.get_by_label("Subject")).to_have_value("two <b> words")
    page.get_by_role("button", name=re.compile("Sign out")).click()
    expect(page.get_by_label("API key")).to_be_visible()
    assert complaints == []


def test_a_time_is_shown_in_the_zone_of_who_looks(app: PgQueue, browser: Browser, url: str) -> None:
    app.pause("mail")
    for zone in ("Asia/Kolkata", "America/New_York"):
        with chromium.context(browser, url, timezone_id=zone, locale="en-GB") as profile:
            page = profile.new_page()
            page.goto("audit")
            time = page.locator("main time").first
            local = datetime.fromisoformat(str(time.get_attribute("datetime"))).astimezone(ZoneInfo(zone))
            expect(time).to_have_attribute("title", re.compile(f"{local:%H:%M:%S}"))


def test_scripts_say_times_in_the_words_of_the_server(audited: Page) -> None:
    spans = [0, 0.5, 1, 59, 99, 100, 3000, 5969, 5971, 90_000, 350_000, 400_000, 90_000_000]
    spans += [-one for one in spans]
    code = """async (spans) => {
      const { inWords } = await import(document.querySelector('script[type=module]').src.replace('main.js', 'times.js'));
      return spans.map((seconds) => inWords(seconds));
    }"""
    assert audited.evaluate(code, spans) == [render.from_now(timedelta(seconds=one)) for one in spans]
