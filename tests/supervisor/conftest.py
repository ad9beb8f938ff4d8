"""Crews of puppets: processes that speak like workers and need no database; and the database beside a supervisor."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import psycopg
import pytest

from pgqueue.supervisor import crew as crew_module
from pgqueue.supervisor import place, process, turns
from pgqueue.supervisor.crew import Crew
from pgqueue.supervisor.death import Death
from pgqueue.supervisor.recycle import Recycling
from pgqueue.worker import WorkerOptions
from pgqueue.worker.launch import Launch

from ..sql.conftest import Sql


def puppet(what: str = "", **options: Any) -> Launch:
    """A launch of a process that does this."""
    return Launch(what or "boot=0", WorkerOptions(**{"grace": 0.2, **options}))


class Watched:
    """A crew, and what it has told.

    Attributes:
        crew: the crew.
        deaths, ended: what it has told.
    """

    def __init__(self, recycling: Recycling) -> None:
        self.deaths: list[Death] = []
        self.ended: list[tuple[int, int]] = []
        self.crew = Crew(
            recycling,
            on_death=lambda number, death: self.deaths.append(death),
            on_ended=lambda number, code: self.ended.append((number, code)),
        )

    def state(self, number: int = 1) -> str | None:
        """What the process of a place says; None if there is none."""
        view = self.crew.places().get(number)
        return view.status.state if view is not None and view.status is not None else None

    def pid(self, number: int = 1) -> int | None:
        """The process of a place."""
        view = self.crew.places().get(number)
        return view.pid if view is not None else None


NewCrew = Callable[..., Any]


@pytest.fixture
async def new_crew(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[NewCrew]:
    """Makes crews of puppets that lose no time; they end with the test."""
    monkeypatch.setattr(process, "CHILD", "tests.supervisor.puppet")
    monkeypatch.setattr(process, "KILL_AFTER", 0.3)
    monkeypatch.setattr(process, "LOOK_AT_MEMORY", 0.05)
    monkeypatch.setattr(crew_module, "TICK", 0.05)
    monkeypatch.setattr(turns, "PAUSE", 0.05)
    monkeypatch.setattr(place, "FIRST_WAIT", 0.05)
    async with AsyncExitStack() as stack:

        async def new(**limits: Any) -> Watched:
            watched = Watched(Recycling(**limits))
            await stack.enter_async_context(watched.crew)
            return watched

        yield new


@pytest.fixture
def sql(connect: Callable[..., psycopg.Connection[Any]]) -> Sql:
    """A look at the database, and its functions."""
    return Sql(connect())
