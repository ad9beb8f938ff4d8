"""PostgreSQL goes away under load, and comes back: no wrong answer, nothing lost, nothing doubled."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import httpx
import psycopg
import pytest
from starlette.requests import Request
from starlette.responses import Response

from pgqueue import PgQueue, embedded
from pgqueue.api import build, create_app
from pgqueue.api.callers.caller import ANYONE
from pgqueue.api.endpoint import Endpoint
from pgqueue.api.here import at
from pgqueue.api.routes import ALL
from pgqueue.database.call import Call, nothing
from pgqueue.migrate import migrate
from tests.api.serving import served
from tests.postgres import running_server
from tests.waiting import until

OUTAGE = 2.0  # seconds
CLIENTS = 8


@pytest.fixture
def own_server() -> Iterator[tuple[str, Path]]:
    """A server that a test may stop: its URL, and its data directory."""
    with running_server(18) as url:
        with psycopg.connect(url) as connection:
            directory = connection.execute("show data_directory").fetchone()
        assert directory is not None
        migrate(url)
        yield url, Path(directory[0])


class Load:
    """Clients that enqueue, each number once, until they are told to end."""

    def __init__(self, url: str) -> None:
        self._url, self._numbers, self._ends = url, count(), threading.Event()
        self.done: list[int] = []
        self.statuses: Counter[int] = Counter()
        self.refusals: list[float] = []  # how long each took
        self._threads = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        for thread in self._threads:
            thread.join(30)

    def _ask(self) -> None:
        with httpx.Client(base_url=self._url, timeout=30) as client:
            while not self._ends.is_set():
                number = next(self._numbers)
                began = time.monotonic()
                answer = client.post("/api/v1/try", params={"number": number})
                self.statuses[answer.status_code] += 1
                if answer.status_code == 200:
                    self.done.append(number)
                else:
                    self.refusals.append(time.monotonic() - began)
                    assert answer.headers["retry-after"] == "1"
                    self._ends.wait(0.01)


async def _enqueue(request: Request) -> Response:
    number = request.query_params["number"]
    statement = "select {schema}.enqueue('noop', jsonb_build_object('number', %s::text::int))"
    await at(request).run(Call(statement, (number,), nothing))
    return Response()


def test_an_outage_of_two_seconds_loses_and_doubles_nothing(
    own_server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, directory = own_server
    monkeypatch.setattr(build, "ALL", [*ALL, Endpoint("POST", "/try", _enqueue, ANYONE)])
    with served(create_app(PgQueue(url))) as api, Load(api) as load:
        until(lambda: len(load.done) > 100, "the load runs")
        embedded.stop(directory)
        gone = time.monotonic()
        until(lambda: load.statuses[503] > 100, "requests are refused")
        time.sleep(max(0.0, OUTAGE - (time.monotonic() - gone)))  # the length of the outage, not a hope
        before = len(load.done)
        embedded.start(directory)
        until(lambda: len(load.done) > before + 100, "requests are answered again")
    assert set(load.statuses) <= {200, 503, 504}
    assert max(load.refusals) < 4, "no wait for a connection is longer than its bound"
    assert sorted(load.refusals)[len(load.refusals) // 2] < 0.1, "the breaker refuses at once"
    with psycopg.connect(url) as connection:
        kept = Counter(number for (number,) in connection.execute("select (args->>'number')::int from pgqueue.job"))
    assert not [number for number in load.done if kept[number] != 1], "each that was acknowledged is there once"
    assert max(kept.values()) == 1
