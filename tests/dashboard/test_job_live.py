"""The page of a job in a real browser: it follows what happens, and nothing moves under the hand."""

import json
import re
from uuid import UUID

from playwright.sync_api import Page, expect

from pgqueue import PgQueue
from tests.sql.conftest import Sql


def say(sql: Sql, id: int, token: UUID, first: int, last: int, more: str = "") -> None:
    worker = sql.value("select worker_id from job where id = %s", id)
    lines = [{"n": n, "ago": 0, "level": "info", "message": f"line {n}.{more}"} for n in range(first, last + 1)]
    sql.rows("select add_log(%s, %s)", worker, json.dumps([{"id": id, "token": str(token), "attempt": 1, "lines": lines}]))


def test_the_log_follows_and_stays_where_the_reader_has_scrolled_to(page: Page, sql: Sql) -> None:
    id, token = sql.running()
    say(sql, id, token, 1, 100)
    page.goto(f"jobs/{id}")
    log = page.locator("#log-lines")
    expect(log.get_by_text("line 100.")).to_be_in_viewport()
    say(sql, id, token, 101, 120)
    expect(log.get_by_text("line 120.")).to_be_visible()
    expect(log.get_by_text("line 120.")).to_be_in_viewport()
    log.evaluate("log => { log.scrollTop = 200; }")
    page.wait_for_function("document.querySelector('#log-lines').scrollTop === 200")
    say(sql, id, token, 121, 121)
    expect(log.get_by_text("line 121.")).to_have_count(1)
    assert log.evaluate("log => log.scrollTop") == 200
    log.evaluate("log => { log.scrollTop = log.scrollHeight; }")
    page.wait_for_function(
        "(log => log.scrollHeight - log.scrollTop - log.clientHeight < 5)(document.querySelector('#log-lines'))"
    )
    say(sql, id, token, 122, 140)
    expect(log.get_by_text("line 140.")).to_be_in_viewport()
    say(sql, id, token, 141, 141, more=" to be read in full" * 100)
    expect(log.get_by_text("line 141.")).to_be_visible()
    assert log.locator("p").last.evaluate("line => line.scrollHeight <= line.clientHeight"), "a long line is cut off"


def test_progress_and_the_end_are_shown_without_a_reload_and_what_is_open_stays_open(page: Page, sql: Sql) -> None:
    id, token = sql.running(args={"nest": {"deep": {"deeper": [1]}}, "text": "x" * 5000})
    page.goto(f"jobs/{id}")
    page.locator("#fold-args > summary").click()
    page.locator("#args-0 > summary").click()
    expect(page.locator("#fold-args")).to_have_attribute("open", "")
    sql.value("select progress(%s, %s, 3, 4, 'nearly')", id, token)
    expect(page.get_by_text("3 of 4 · nearly")).to_be_visible()
    sql.finish(token, {"id": id, "state": "succeeded", "result": {"sum": 17}})
    expect(page.locator("header.page .state")).to_have_text("succeeded")
    expect(page.locator("#value-result")).to_contain_text("17")
    expect(page.locator("#fold-args")).to_have_attribute("open", "")
    expect(page.locator("#args-0")).to_have_attribute("open", "")


def test_a_question_is_asked_before_a_job_is_cancelled_and_stays_while_the_page_changes(page: Page, sql: Sql) -> None:
    id, token = sql.running()
    page.goto(f"jobs/{id}")
    page.get_by_text("Cancel…").click()
    page.get_by_label("Reason").fill("sent twice")
    sql.value("select progress(%s, %s, 1, 4, 'begun')", id, token)
    expect(page.locator(".live")).to_have_text("waits while you act")
    expect(page.get_by_label("Reason")).to_have_value("sent twice")
    expect(page.get_by_label("Reason")).to_be_in_viewport()
    page.get_by_role("button", name="Cancel this 1 job").click()
    expect(page.locator(".notice")).to_contain_text("asked to stop")
    expect(page.locator("#why")).to_contain_text("sent twice")


def test_hostile_names_and_values_are_inert_and_do_not_break_the_page(app: PgQueue, page: Page, sql: Sql) -> None:
    evil = "<img src=x onerror=alert(1)>\"'`${1}{{7*7}}🦊" + "w" * 130
    id, token = sql.running(args={evil: [evil, {evil: None}]}, meta=json.dumps({"m": evil}))
    sql.rows("update job set task = %s where id = %s", evil, id)
    sql.value("select save_step(%s, %s, %s, %s, 0.1)", id, token, evil, json.dumps(evil))
    sql.value("select signal(%s, %s, %s)", id, evil, json.dumps({evil: evil}))
    sql.value("select progress(%s, %s, 1, 2, %s)", id, token, evil)
    say(sql, id, token, 1, 1)
    error = {"type": evil, "types": ["E"], "message": evil, "traceback": evil}
    sql.finish(token, {"id": id, "state": "failed", "final": True, "elapsed": 0.1, "error": error})
    for path in (f"jobs/{id}", f"jobs/{id}/args", f"jobs/{id}/log", f"enqueue?from={id}"):
        page.goto(path)
        expect(page.locator("h1")).to_be_visible()
        assert page.locator("main img").count() == 0
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{path} is {wide} px too wide"
    page.goto(f"enqueue?from={id}")
    page.get_by_role("button", name="Enqueue", exact=True).click()
    expect(page.locator(".notice")).to_have_text("The job was added.")
    assert re.search(r"jobs/\d+$", page.url)
    new = int(page.url.rpartition("/")[2])
    assert sql.value("select args from job where id = %s", new) == {evil: [evil, {evil: None}]}
