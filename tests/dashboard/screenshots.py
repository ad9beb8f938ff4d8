"""Pictures of every page: `make screenshots`; with the argument docs only those that the docs show."""

import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from pgqueue import PgQueue
from pgqueue.dashboard.build import create_server_app
from pgqueue.dashboard.door import KEY
from pgqueue.migrate import migrate
from tests.api.serving import served

from . import chromium
from .every_page import PAGES, path_of
from .past import add_past
from .seeding import Seeded, seed

CHECKOUT = Path(__file__).parents[2]
ALL, DOCS = CHECKOUT / ".pgqueue/pictures", CHECKOUT / "docs/pictures"
# Of the docs: names of files, and the pages that they show.
SHOWN = {
    "overview": "/", "jobs": "/jobs", "job": "/jobs/{job_id}", "dead-letters": "/dead-letters",
    "workflow": "/workflows/{workflow_id}",
}  # fmt: skip
LARGEST = 150_000  # bytes
LOOKS = [("light", chromium.DESKTOP), ("dark", chromium.DESKTOP), ("light", chromium.PHONE), ("dark", chromium.PHONE)]


def main() -> None:
    """Take all pictures."""
    ALL.mkdir(parents=True, exist_ok=True)
    DOCS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pgqueue-pictures-") as folder:
        app = PgQueue(f"embedded:{folder}/data")
        migrate(app.url, app.settings.schema_name)
        add_past(app.url)
        seeded = seed(app)
        with served(create_server_app(app)) as url, sync_playwright() as playwright:
            if chromium.PROGRAM is None:
                raise SystemExit("there is no Chromium (Debian: apt install chromium)")
            browser = playwright.chromium.launch(executable_path=chromium.PROGRAM, args=chromium.ARGUMENTS)
            for scheme, size in LOOKS[:1] if "docs" in sys.argv else LOOKS:
                with chromium.context(browser, url, size, color_scheme=scheme) as profile:
                    profile.add_cookies([{"name": KEY, "value": seeded.keys["admin"], "url": url}])
                    tab = profile.new_page()
                    for name, path in _pages(seeded):
                        if "docs" in sys.argv and name not in SHOWN:
                            continue
                        _take(tab, path, ALL / f"{name}-{scheme}-{size[0]}.png")
                        if name in SHOWN and (scheme, size) == LOOKS[0]:
                            _take_for_docs(tab, DOCS / f"{name}.png")
            browser.close()
        app.close()
    print(f"{len(list(ALL.glob('*.png')))} pictures in {ALL}, {len(list(DOCS.glob('*.png')))} in {DOCS}")


def _pages(seeded: Seeded) -> Iterator[tuple[str, str]]:
    plain = {re.sub(r":\w+", "", path): name for name, path in SHOWN.items()}
    for page in PAGES:
        route = re.sub(r":\w+", "", page.path)
        if "." not in route:
            name = plain.get(route, re.sub(r"\W+", "-", route).strip("-"))
            yield name, f"jobs/{seeded.jobs['failed']}" if name == "job" else path_of(page, seeded)
    yield "sign-in", "sign-in"
    yield "no-page", "nothing/here"


def _take(tab: Page, path: str, file: Path) -> None:
    tab.goto(path)
    tab.wait_for_timeout(400)  # for charts
    tab.screenshot(path=file, full_page=True)


def _take_for_docs(tab: Page, file: Path) -> None:
    """The upper part of the page, in a file that is small enough to be kept."""
    taken = tab.screenshot(clip={"x": 0, "y": 0, "width": 1280, "height": 800})
    file.write_bytes(taken)
    if file.stat().st_size > LARGEST:
        raise SystemExit(f"{file} has {file.stat().st_size:,} bytes, more than {LARGEST:,}")


if __name__ == "__main__":
    main()
