"""Answers are shared by people of the same rights who look at the same moment; panels wait for them a moment."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from pgqueue import PgQueue
from pgqueue.dashboard import Viewer, create_app, panel
from pgqueue.dashboard.ask import Refused
from pgqueue.dashboard.shared import Shared
from tests.api.serving import served
from tests.sql.conftest import Sql

from .forms import said, send

VIEWERS = {
    "all": Viewer("all", "admin"),
    "like": Viewer("like", "admin"),
    "blind": Viewer("blind", "admin", may_read_arguments=False),
    "other": Viewer("other", "admin", queues=["other"]),
    "role": Viewer("role", "viewer"),
}


@pytest.fixture
def everybody(app: PgQueue, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a dashboard that takes people at their word, and keeps answers until something changes."""
    monkeypatch.setattr(Shared, "_is_over", lambda *_: False)

    def who(request: Request) -> Viewer:
        return VIEWERS[request.headers["x-who"]]

    with served(create_app(app, who)) as url:
        yield f"{url}/"


def seen(url: str, path: str, who: str) -> httpx.Response:
    return httpx.get(url + path, headers={"x-who": who}, timeout=20)


@pytest.mark.parametrize("first", ["all", "blind", "other"])
def test_nobody_is_given_an_answer_to_somebody_with_other_rights(everybody: str, sql: Sql, first: str) -> None:
    id = sql.enqueue(queue="mail", args={"customer": "to-be-hidden"})
    sql.enqueue(queue="other")
    for who in (first, *VIEWERS):
        page, listed = seen(everybody, f"jobs/{id}", who), seen(everybody, "jobs", who).text
        assert page.status_code == (404 if who == "other" else 200), who
        assert ("to-be-hidden" in page.text) is (who in ("all", "like", "role")), who
        assert (f'id="job-{id}"' in listed) is (who != "other"), who


def test_people_of_the_same_rights_share_until_one_of_them_changes_something(everybody: str, sql: Sql) -> None:
    id = sql.enqueue(queue="mail")
    assert f'id="job-{id}"' in seen(everybody, "jobs?q=state:ready", "all").text
    sql.value("select cancel(%s)", id)
    assert f'id="job-{id}"' in seen(everybody, "jobs?q=state:ready", "like").text, "it is the answer of a moment ago"
    other = sql.enqueue(queue="mail")
    with httpx.Client(base_url=everybody, headers={"x-who": "like"}, timeout=20) as http:
        assert said(send(http, f"jobs/{other}", f"jobs/{other}/cancel")) == f"Job {other}: Cancelled."
    assert f'id="job-{id}"' not in seen(everybody, "jobs?q=state:ready", "all").text


async def test_who_asks_while_an_answer_is_made_waits_for_it_and_an_error_is_not_kept() -> None:
    shared, made, go = Shared(), list[int](), asyncio.Event()

    async def make() -> int:
        made.append(len(made))
        await go.wait()
        if len(made) == 1:
            raise Refused(503, {})
        return made[-1]

    first, second = (asyncio.ensure_future(shared.get("jobs", make)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()  # it goes away, and the other one is answered all the same
    await asyncio.sleep(0)
    go.set()
    with pytest.raises(Refused):
        await second
    assert (first.cancelled(), made) == (True, [0])
    assert [await shared.get("jobs", make), await shared.get("jobs", make)] == [1, 1]
    shared.forget()
    assert await shared.get("jobs", make) == 2


async def test_a_panel_that_is_slow_or_refused_says_so_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panel, "WITHIN", 0.01)

    async def refused() -> Any:
        raise Refused(403, {"title": "no"})

    slow = await asyncio.wait_for(panel.panel(asyncio.Event().wait()), 5)
    assert slow.problem is not None
    assert (slow.status, slow.problem["title"]) == (504, "This takes long")
    told = await panel.panel(refused())
    assert told.problem is not None
    assert (told.status, told.value, told.problem["title"]) == (403, None, "no")
