"""On a phone: no table of a page is wider than the screen, and the places are behind a button."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from playwright.sync_api import Page as Tab

from pgqueue.dashboard.door import KEY
from tests.postgres import Copies

from . import chromium
from .every_page import PAGES, path_of
from .seeding import Seeded, seeded

_WIDER = """[...document.querySelectorAll("main .panel")].filter((one) => one.scrollWidth > one.clientWidth + 1)
    .map((one) => `${one.querySelector("h2")?.textContent ?? one.id}: ${one.scrollWidth} px`)"""


@pytest.fixture(scope="module")
def shop(copies: Copies) -> Iterator[tuple[str, Seeded]]:
    """The URL of the dashboard of a shop with ordinary names, and what is there; to read only."""
    with seeded(copies) as found:
        yield found


@pytest.fixture(scope="module")
def phone(browser: Browser, shop: tuple[str, Seeded]) -> Iterator[Tab]:
    """An admin with a phone."""
    with chromium.context(browser, shop[0], chromium.PHONE) as profile:
        profile.add_cookies([{"name": KEY, "value": shop[1].keys["admin"], "url": shop[0]}])
        yield profile.new_page()


def test_no_table_is_wider_than_a_phone(phone: Tab, shop: tuple[str, Seeded]) -> None:
    wider = dict[str, list[str]]()
    for page in PAGES:
        path = path_of(page, shop[1])
        if "." in page.path or page.path == "/suggestions":
            continue  # a file, or what a script asks for
        phone.goto(path)
        wider[path] = phone.evaluate(_WIDER)
    assert {path: found for path, found in wider.items() if found} == {}


def test_the_places_are_behind_a_button(phone: Tab) -> None:
    phone.goto("jobs")
    place = phone.get_by_role("link", name="Settings", exact=True)
    expect(place).not_to_be_visible()
    phone.get_by_role("button", name="Menu").click()
    expect(phone.get_by_role("button", name="Sign out ann")).to_be_visible()
    phone.keyboard.press("Escape")
    expect(place).not_to_be_visible()
    phone.get_by_role("button", name="Menu").press("Enter")
    place.click()
    expect(phone.locator("h1")).to_have_text("Settings")
    expect(place).not_to_be_visible()


def test_acts_on_jobs_stand_at_the_edge_of_the_screen_while_some_are_selected(phone: Tab) -> None:
    phone.goto("jobs")
    cancel = phone.get_by_role("button", name="Cancel…")
    expect(cancel).not_to_be_visible()
    phone.locator("tbody input[type=checkbox]").last.check()
    expect(cancel).to_be_in_viewport()
