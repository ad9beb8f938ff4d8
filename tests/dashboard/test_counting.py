"""Live jobs of a large install are counted beforehand while the dashboard is in use, also without workers."""

import asyncio
from collections.abc import Callable

import httpx
import pytest

from pgqueue.api.health.counting import OFTEN, SELDOM, Counting
from pgqueue.database.call import Call
from pgqueue.errors import NoConnection
from tests.looking import Look
from tests.sql.conftest import Sql
from tests.sql.test_sample_depths import LARGE
from tests.waiting import until

Answer = Callable[[], float | None]


def test_a_page_of_a_large_install_without_workers_shows_what_was_counted_beforehand(
    http: httpx.Client, sql: Sql, look: Look
) -> None:
    sql.rows(LARGE)
    sql.value("select count(enqueue('noop')) from generate_series(1, 3)")
    assert http.get("queues").status_code == 200
    until(lambda: look.value("select count(*) from depth_sample") == 2, "a count of both parts")
    assert look.value("select min(counted_at) from queue_stats") is not None
    assert "counted" in http.get("queues/default").text


def test_a_small_install_is_not_counted_beforehand(http: httpx.Client, look: Look) -> None:
    assert http.get("queues").status_code == 200
    assert look.value("select count(*) from depth_sample") == 0


@pytest.mark.parametrize(("due_in", "pause"), [(0.1, OFTEN), (7.5, 7.5), (None, SELDOM)])
def test_it_asks_again_when_it_is_due(monkeypatch: pytest.MonkeyPatch, due_in: float | None, pause: float) -> None:
    assert _pauses(monkeypatch, lambda: due_in) == [pause, pause]


def test_a_count_that_fails_is_tried_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> float:
        raise NoConnection("the database is away")

    assert _pauses(monkeypatch, fail) == [SELDOM, SELDOM]


def _pauses(monkeypatch: pytest.MonkeyPatch, answer: Answer) -> list[float]:
    """How long it waits, twice, if the database answers so."""
    waited = list[float]()
    stopping = asyncio.Event()

    async def run(call: Call[float | None]) -> float | None:
        assert "sweep_depths" in call.statement
        return answer()

    async def wait_for(waiting: asyncio.Future[bool], pause: float) -> None:
        waiting.close()  # type: ignore[attr-defined]
        waited.append(pause)
        if len(waited) == 2:
            stopping.set()
        raise TimeoutError

    async def go_on() -> None:
        counting = Counting(run, stopping)
        counting.start()
        counting.start()  # it runs already
        await stopping.wait()
        await counting.stop()

    with monkeypatch.context() as changed:
        changed.setattr("pgqueue.api.health.counting.asyncio.wait_for", wait_for)
        asyncio.run(go_on())
    return waited
