"""The server or the database goes away: the page says so, keeps its figures with their age, and goes on by itself."""

import os
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import Browser, Page, expect

from pgqueue import PgQueue, embedded
from pgqueue.dashboard.build import create_server_app
from pgqueue.migrate import migrate
from tests.api.serving import served
from tests.cli.conftest import Process
from tests.postgres import running_server

from . import chromium

pytestmark = pytest.mark.alone
WITHIN_2 = 2500  # ms: two seconds, and what a busy machine needs to look


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    """A tab that may complain."""
    with chromium.context(browser, "http://127.0.0.1:1") as profile:
        yield profile.new_page()


def _serve(database_url: str, port: int, log: Path) -> Process:
    environment = os.environ | {"PGQUEUE_DATABASE_URL": database_url}
    process = Process(["pgqueue", "serve", "--port", str(port)], environment, log)
    process.says("serving")
    return process


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL], ids=["ends", "is killed"])
def test_a_server_that_restarts(app: PgQueue, database_url: str, tab: Page, tmp_path: Path, end: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    first = _serve(database_url, port, tmp_path / "first")
    try:
        app.pause("mail")
        tab.goto(f"http://127.0.0.1:{port}/audit")
        expect(tab.locator("[data-live-state]")).to_have_text("live")
        first.signal(end)
        first.ends()
        banner = tab.locator("#live-banner")
        expect(banner).to_be_visible(timeout=WITHIN_2)
        expect(banner).to_have_text(re.compile(r"The figures are \d+ s old"))
        expect(tab.locator("main tr[id^=entry-]")).to_have_count(1)
        expect(tab.locator("[data-live-state]")).to_have_text("not live")
        app.resume("mail")
    finally:
        first.clean_up()
    second = _serve(database_url, port, tmp_path / "second")
    try:
        expect(tab.locator("main tr[id^=entry-]")).to_have_count(2)
        expect(banner).to_be_hidden()
        app.pause("mail")
        expect(tab.locator("main tr[id^=entry-]")).to_have_count(3, timeout=5000)
    finally:
        second.clean_up()


def test_a_database_that_restarts(tab: Page) -> None:
    with running_server(18) as database:
        migrate(database)
        with psycopg.connect(database) as connection:
            directory = Path((connection.execute("show data_directory").fetchone() or ("",))[0])
        app = PgQueue(database)
        try:
            with served(create_server_app(app)) as url:
                app.pause("mail")
                tab.goto(f"{url}/audit")
                expect(tab.locator("[data-live-state]")).to_have_text("live")
                embedded.stop(directory)
                banner = tab.locator("#live-banner")
                expect(banner).to_contain_text("The database does not answer.", timeout=WITHIN_2)
                expect(tab.locator("main tr[id^=entry-]")).to_have_count(1)
                again = tab.context.new_page()
                again.goto(f"{url}/audit")
                expect(again.locator("body")).to_contain_text(re.compile("database", re.I), timeout=WITHIN_2)
                again.close()
                embedded.start(directory, 18)
                expect(banner).to_be_hidden()
                app.resume("mail")
                expect(tab.locator("main tr[id^=entry-]")).to_have_count(2)
                tab.close()
        finally:
            app.close()
