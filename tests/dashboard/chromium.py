"""A real browser. Debian's package is used: apt install chromium."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, sync_playwright

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# *.test is this machine, under a name that a browser trusts no more than any other one without TLS.
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--host-resolver-rules=MAP *.test 127.0.0.1"]
DESKTOP, PHONE = (1280, 900), (390, 844)


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser without a window. While it runs, its thread counts as one with a running event loop."""
    if PROGRAM is None:
        text = "there is no Chromium (Debian: apt install chromium)"
        pytest.fail(text) if os.environ.get("CI") else pytest.skip(text)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=PROGRAM, args=ARGUMENTS)
        try:
            yield started
        finally:
            started.close()


@contextmanager
def context(started: Browser, url: str, size: tuple[int, int] = DESKTOP, **options: object) -> Iterator[BrowserContext]:
    """A fresh profile for the dashboard at this URL; `page.goto("jobs")` is below it."""
    facts = {"viewport": {"width": size[0], "height": size[1]}, "base_url": f"{url}/", **options}
    made = started.new_context(**facts)  # type: ignore[arg-type]
    made.set_default_timeout(30_000)
    try:
        yield made
    finally:
        made.close()


class Complaints(list[str]):
    """What a page says in its console, its errors, and what its policy has refused."""

    def hear(self, page: Page) -> None:
        """Listen to a page."""
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.append(str(error)))

    def dialog(self, dialog: Dialog) -> None:
        """What a script of an attacker would open."""
        self.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.append(message.text)
