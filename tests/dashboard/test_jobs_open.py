"""The list of jobs in a browser: what is selected, what moves and what does not, and suggestions by keys."""

import re

from playwright.sync_api import Page, expect

from pgqueue import PgQueue
from tests.sql.conftest import Sql


def ids(page: Page) -> list[str]:
    return page.locator("main tbody tr").evaluate_all("rows => rows.map((row) => row.id)")  # type: ignore[no-any-return]


def test_rows_stay_and_what_is_selected_stays_while_jobs_come_and_end(app: PgQueue, sql: Sql, page: Page) -> None:
    known = [sql.enqueue(queue="mail") for _ in range(3)]
    page.goto("jobs?q=queue:mail state:ready")
    before = ids(page)
    page.get_by_label(f"Select job {known[1]}").check()
    expect(page.locator("[data-selected]")).to_have_text("1 selected")
    new = sql.enqueue(queue="mail", priority=100)
    sql.value("select cancel(%s)::text", known[0])
    expect(page.locator(f"#job-{known[0]} .state")).to_have_text("cancelled")
    expect(page.locator("#new")).to_have_text("1 new: show")
    assert ids(page) == before
    expect(page.get_by_label(f"Select job {known[1]}")).to_be_checked()
    expect(page.locator("[data-selected]")).to_have_text("1 selected")
    page.locator("#new").click()
    expect(page.locator("main tbody tr")).to_have_count(3)
    assert ids(page)[0] == f"job-{new}"


def test_selected_jobs_are_changed_by_an_operation_with_keys_alone(sql: Sql, page: Page) -> None:
    known = [sql.enqueue() for _ in range(3)]
    page.goto("jobs?q=state:ready")
    expect(page.get_by_role("button", name="Cancel…")).to_be_disabled()
    for key in ("j", "x", "j", "x"):
        page.keyboard.press(key)
    expect(page.locator("[data-selected]")).to_have_text("2 selected")
    page.get_by_role("button", name="Cancel…").press("Enter")
    expect(page.get_by_label("Reason")).to_be_focused()
    page.keyboard.type("twice")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/operations/[0-9]+$"))
    expect(page.locator("#progress")).to_contain_text("2 cancelled")
    assert [sql.state(id) for id in known] == ["cancelled", "cancelled", "ready"]


def test_all_of_the_page_and_all_that_match_are_selected(sql: Sql, page: Page) -> None:
    for _ in range(2):
        sql.enqueue()
    page.goto("jobs")
    page.get_by_label("Select all jobs of this page").check()
    expect(page.locator("[data-selected]")).to_have_text("2 selected")
    page.get_by_label("all that match").check()
    expect(page.locator("[data-selected]")).to_have_text("All that match")
    page.get_by_role("button", name="Priority…").click()
    expect(page.locator("main")).to_contain_text("All jobs of the install")


def test_an_operation_is_followed_until_it_is_over(app: PgQueue, sql: Sql, page: Page) -> None:
    for _ in range(2):
        sql.enqueue()
    operation = app.jobs(state="ready").cancel(per_second=0.001, reason="slow")
    page.goto(f"operations/{operation.id}")
    expect(page.locator("#progress")).to_contain_text("1 cancelled")
    sql.value("update operation set per_second = null, next_at = now() where id = %s returning 1", operation.id)
    sql.value("select carry_on_operations()")
    expect(page.locator("#progress")).to_contain_text("2 cancelled")
    expect(page.get_by_role("group", name="End it…")).to_have_count(0)


def test_suggestions_are_chosen_by_keys(sql: Sql, page: Page) -> None:
    sql.enqueue(queue="mail")
    page.goto("jobs")
    field = page.get_by_role("combobox")
    page.keyboard.press("/")
    page.keyboard.type("state:ready que")
    expect(page.get_by_role("option").first).to_have_text(re.compile("^queue:"))
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(field).to_have_value("state:ready queue:")
    expect(page.get_by_role("option")).to_have_text(["queue:mail"])
    expect(field).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("Escape")
    expect(field).to_have_attribute("aria-expanded", "false")
    expect(field).to_be_focused()
    page.keyboard.type("m")
    page.get_by_role("option").click()
    expect(field).to_have_value("state:ready queue:mail ")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"q=state%3Aready\+queue%3Amail"))
    expect(page.locator("main tbody tr")).to_have_count(1)
