"""docs/dashboard.md does what it says."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from pgqueue import PgQueue, dashboard
from pgqueue.dashboard.guard import HEADERS
from pgqueue.dashboard.pages import ALL
from tests.api.serving import served

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = (DOCS / "dashboard.md").read_text()
CODE = re.findall(r"```python\n(.*?)```", GUIDE, re.S)


def test_the_application_around_it_lets_its_staff_in_and_nobody_else(app: PgQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGQUEUE_DATABASE_URL", app.url)
    names: dict[str, Any] = {}
    exec(CODE[0], names)
    user: list[Any] = [None]

    class LetIn:
        """The login of the application."""

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            scope["user"] = user[0]
            await names["web"](scope, receive, send)

    with served(LetIn(), lifespan="on") as url:
        assert httpx.get(f"{url}/ops/queue/audit").status_code == 403
        user[0] = type("User", (), {"is_staff": True, "name": "ann"})()
        assert httpx.get(f"{url}/ops/queue/audit").status_code == 200
    names["app"].close()


def test_the_example_of_a_page_declares_a_page_and_an_act() -> None:
    names: dict[str, Any] = {"__name__": f"{dashboard.__name__}.pages.things", "__package__": f"{dashboard.__name__}.pages"}
    exec(CODE[1], names)
    assert [(page.method, page.path) for page in names["pages"].all] == [("GET", "/things"), ("POST", "/things/{name}/reset")]


def test_the_table_of_pages_names_the_page_of_each_section() -> None:
    rows = re.findall(r"^\| .*? `/([\w-]*)[^`]*` \|", GUIDE, re.M)
    assert {page.path.split("/")[1] for page in ALL if page.method == "GET"} - {"suggestions"} <= set(rows)


def test_the_pictures_are_there_and_small() -> None:
    for name in re.findall(r"\]\((pictures/[^)]+)\)", GUIDE):
        assert 0 < (DOCS / name).stat().st_size <= 150_000, f"{name}: make screenshots"


def test_the_docs_say_the_policy_that_is_sent() -> None:
    assert f"`{HEADERS['Content-Security-Policy']}`" in (DOCS / "security.md").read_text()
