"""Every page, on an install whose users have written what an attacker would: all can read it, and nothing is obeyed."""

import re
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, expect
from playwright.sync_api import Page as Tab

from pgqueue.dashboard.door import KEY
from pgqueue.dashboard.page import Page
from pgqueue.dashboard.shared import Shared
from tests.waiting import until

from . import chromium
from .every_page import PAGES, path_of, paths_of
from .seeding import Seeded

by_path = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path)
# axe's rules for WCAG 2 A and AA, and what it knows besides.
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


class Found(HTMLParser):
    """What would run, or would be fetched from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.bad: list[str] = []
        self.ids: list[str] = []
        self.headings: list[int] = []
        self.mains = 0
        self.shown: list[str] = []

    def handle_data(self, data: str) -> None:
        self.shown.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.mains += tag == "main"
        self.ids += [str(given["id"])] if "id" in given else []
        self.headings += [int(tag[1])] if re.fullmatch("h[1-6]", tag) else []
        self.shown += [str(given[name]) for name in ("title", "aria-label", "placeholder", "alt") if name in given]
        for name, value in attrs:
            text = (value or "").strip().lower()
            is_ours = text.startswith(("./", "../", "#", "?"))
            if (
                name.startswith("on")
                or name in ("style", "srcdoc")
                or (name in ("src", "href", "action", "formaction") and not is_ours)
            ):
                self.bad.append(f"<{tag} {name}={text[:80]!r}>")
        if tag in ("iframe", "object", "embed", "base", "style") or (tag == "script" and "src" not in given):
            self.bad.append(f"<{tag}>")


@pytest.fixture
def seeded(install: tuple[str, Seeded]) -> Seeded:
    """What is there."""
    return install[1]


@pytest.fixture
def reader(install: tuple[str, Seeded]) -> Iterator[httpx.Client]:
    """An admin without scripts."""
    with httpx.Client(base_url=f"{install[0]}/", timeout=20, cookies={KEY: install[1].keys["admin"]}) as client:
        yield client


@pytest.fixture(scope="module")
def profile(browser: Browser, install: tuple[str, Seeded]) -> Iterator[BrowserContext]:
    """An admin with a browser."""
    with chromium.context(browser, install[0]) as made:
        made.add_cookies([{"name": KEY, "value": install[1].keys["admin"], "url": install[0]}])
        yield made


@pytest.fixture
def tab(profile: BrowserContext) -> Iterator[Tab]:
    """A tab in which nothing may complain, and no script of an attacker may say a word."""
    opened, complaints = profile.new_page(), chromium.Complaints()
    complaints.hear(opened)
    opened.on("dialog", complaints.dialog)
    yield opened
    opened.close()
    assert complaints == []


@by_path
def test_it_reads_without_scripts_and_obeys_nothing_that_users_write(page: Page, reader: httpx.Client, seeded: Seeded) -> None:
    for path in paths_of(page, seeded):
        answer = reader.get(path)
        assert answer.status_code == 200, (path, answer.text[-600:])
        if not answer.headers["content-type"].startswith("text/html"):
            assert answer.headers["x-content-type-options"] == "nosniff"
            continue
        found = Found()
        found.feed(answer.text)
        assert found.bad == [], path
        assert sorted(set(found.ids)) == sorted(found.ids), f"{path}: ids are there once"
        assert found.mains in (0, 1)
        assert not {"\x1b", "\u202e"} & set("".join(found.shown)), f"{path}: a text goes through |seen"
        assert not found.mains or found.headings[:1] == [1]


@by_path
def test_nothing_changes_as_long_as_nothing_changes(
    page: Page, reader: httpx.Client, seeded: Seeded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An open page is morphed only for what is new: not for words of times, and not for the order of a set."""
    monkeypatch.setattr(Shared, "get", lambda _, key, make: make())  # else both would be made of the same answers
    for path in paths_of(page, seeded):
        if "data-shown=" in reader.get(path).text:  # no part, and no file
            is_at_rest = partial(_is_at_rest, reader, path)
            # Counts of an install that has just been filled change for a while, and after a minute doctor finds more.
            until(is_at_rest, f"{path} is not shown anew for nothing", 60)


def _is_at_rest(reader: httpx.Client, path: str) -> bool:
    shown = re.search(r'<main data-shown="(\w+)"', reader.get(path).text)
    assert shown
    return reader.get(path, headers={"X-Part": "main", "X-Shown": shown[1]}).status_code == 204


@by_path
def test_axe_finds_nothing_in_either_theme(page: Page, tab: Tab, seeded: Seeded) -> None:
    path = path_of(page, seeded)
    answer = tab.context.request.get(path)
    if not answer.headers["content-type"].startswith("text/html") or "<main" not in answer.text():
        return
    tab.goto(path)
    assert faults(tab, {"runOnly": _TAGS}) == []
    tab.emulate_media(color_scheme="dark")
    assert faults(tab, {"runOnly": {"type": "rule", "values": ["color-contrast"]}}) == []
    tab.set_viewport_size({"width": chromium.PHONE[0], "height": chromium.PHONE[1]})
    width = tab.evaluate("document.documentElement.scrollWidth")
    assert width <= chromium.PHONE[0], "a phone scrolls tables, not the page"
    assert faults(tab, {"runOnly": {"type": "rule", "values": ["scrollable-region-focusable", "target-size"]}}) == []


def test_axe_finds_nothing_where_one_signs_in_or_is_refused(profile: BrowserContext) -> None:
    tab = profile.new_page()
    for path in ("sign-in", "nothing/here"):
        tab.goto(path)
        for scheme in ("light", "dark"):
            tab.emulate_media(color_scheme=scheme)
            assert faults(tab, {"runOnly": _TAGS}) == []
    tab.close()


def test_axe_would_find_it(tab: Tab) -> None:
    tab.goto("audit")
    expect(tab.locator("main")).to_be_visible()
    tab.evaluate(
        "document.querySelector('main').insertAdjacentHTML('beforeend', '<input id=nameless><p class=\"pale\">pale</p>')"
    )
    tab.evaluate("document.querySelector('.pale').style.color = '#ddd'")
    assert {text.split(":")[0] for text in faults(tab, {"runOnly": _TAGS})} == {"label", "color-contrast"}


def faults(tab: Tab, options: dict[str, object]) -> list[str]:
    """What axe finds."""
    found = Axe().run(tab, options={"resultTypes": ["violations"], **options}).response["violations"]
    return [f"{one['id']}: {one['help']}: {[node['html'][:160] for node in one['nodes'][:3]]}" for one in found]
