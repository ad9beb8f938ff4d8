"""The page of a workflow in a browser: live, large, and dragged about."""

import time

import pytest
from playwright.sync_api import Page, expect

from tests.sql.conftest import Sql
from tests.sql.flows import Flow, node, start

HOSTILE = "<img src=x onerror=document.title=1>"


def wide(sql: Sql, size: int) -> Flow:
    """One node, so many behind it, and one behind these."""
    middle = [{"task": "parse", "name": f"parse {n}", "after": ["fetch"]} for n in range(size)]
    return start(sql, node("fetch"), *middle, node("store", *(one["name"] for one in middle)))


def test_states_change_and_no_box_moves(page: Page, sql: Sql) -> None:
    flow = wide(sql, 6)
    page.goto(f"workflows/{flow.id}")
    boxes = page.locator(".graph a > svg")
    expect(boxes).to_have_count(3)
    before = [boxes.nth(n).bounding_box() for n in range(3)]
    page.evaluate("document.querySelector('.graph a').dataset.kept = 'the same element'")
    flow.run("fetch")
    expect(page.locator(f"#box-{flow['fetch']}")).to_have_class("succeeded")
    expect(page.locator(f"#box-{flow['parse 0']}")).to_have_class("ready")
    assert [boxes.nth(n).bounding_box() for n in range(3)] == before
    assert page.evaluate("document.querySelector('.graph a').dataset.kept") == "the same element"


def test_a_row_of_the_table_changes_and_the_graph_stays_scrolled(page: Page, sql: Sql) -> None:
    flow = start(sql, *(node(f"n{n}", *([f"n{n - 1}"] if n else [])) for n in range(20)))
    page.goto(f"workflows/{flow.id}")
    page.evaluate("document.querySelector('.graph').scrollTop = 300")
    flow.run("n0")
    expect(page.locator(f"#node-{flow['n0']} .state")).to_have_text("succeeded")
    assert page.evaluate("document.querySelector('.graph').scrollTop") == 300


@pytest.mark.alone
def test_ten_thousand_nodes_open_within_a_second(page: Page, sql: Sql) -> None:
    flow = wide(sql, 9998)
    sql.rows("analyze")
    took = []
    for _ in range(5):  # the first one also starts the server
        began = time.monotonic()
        page.goto(f"workflows/{flow.id}", wait_until="domcontentloaded")
        expect(page.locator(".graph a")).to_have_count(3)
        took.append(time.monotonic() - began)
    assert min(took) < 1, took
    expect(page.locator(f"#box-{flow['parse 0']}")).to_contain_text("9,998")


def test_a_graph_is_dragged_and_the_click_that_ends_it_opens_nothing(page: Page, sql: Sql) -> None:
    flow = start(sql, *(node(f"n{n}", *([f"n{n - 1}"] if n else [])) for n in range(20)))
    page.goto(f"workflows/{flow.id}")
    box = page.locator(f"#box-{flow['n3']} > svg").bounding_box()
    assert box
    x, y = box["x"] + 60, box["y"] + 20
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y - 50)
    page.mouse.move(x, y - 150)
    page.mouse.up()
    assert page.evaluate("document.querySelector('.graph').scrollTop") == 150
    assert page.url.endswith(f"/workflows/{flow.id}")


def test_a_wide_graph_begins_with_its_first_box_in_sight(page: Page, sql: Sql) -> None:
    kinds = [{"task": f"kind {n % 9}", "name": f"m{n}", "after": ["first"]} for n in range(40)]
    flow = start(sql, node("first"), *kinds, *({"task": f"end {n}", "after": [f"m{n}"]} for n in range(40)))
    page.set_viewport_size({"width": 700, "height": 800})
    page.goto(f"workflows/{flow.id}")
    assert page.evaluate("document.querySelector('.graph').scrollLeft") > 0
    expect(page.locator(f"#box-{flow['first']} > svg")).to_be_in_viewport(ratio=1)


def test_hostile_names_do_nothing_in_a_browser(page: Page, sql: Sql) -> None:
    flow = start(sql, {"task": HOSTILE, "name": HOSTILE}, name=HOSTILE)
    page.goto(f"workflows/{flow.id}")
    expect(page.locator(".graph a")).to_have_attribute("aria-label", f"{HOSTILE}: ready, task {HOSTILE}")
    flow.run(HOSTILE)
    expect(page.locator(".graph a")).to_have_class("succeeded")
    assert page.title() != "1"


def test_a_retry_is_asked_for_and_said(page: Page, sql: Sql) -> None:
    flow = start(sql, node("a"), node("b", "a"))
    flow.run("a", "failed")
    page.goto(f"workflows/{flow.id}")
    page.get_by_text("Retry failed…").click()
    page.get_by_role("button", name="Retry 1").click()
    expect(page.locator(".notice.good")).to_contain_text("1 dead letter runs again")
    expect(page.locator(f"#box-{flow['a']}")).to_have_class("ready")
