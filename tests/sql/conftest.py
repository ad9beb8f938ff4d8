"""SQL functions called through one thin fixture."""

import json
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row

from tests.looking import fetched
from tests.postgres import new_database

PLAIN = {"id", "token", "state", "elapsed"}  # what an outcome has at most that is handed in as an element of arrays
LARGEST = 4 * 2**20  # bytes of jobs that were rolled back; what has 32 MB is taken for a large install


class Sql:
    """Calls SQL functions on one connection and looks at tables."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection

    def rows(self, query: str, *params: Any) -> list[dict[str, Any]]:
        """All rows of a query, as dicts."""
        with self.connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute(query, params)
            return fetched(cursor)

    def value(self, query: str, *params: Any) -> Any:
        """The first column of the first row, None without rows."""
        row = self.connection.execute(query, params).fetchone()
        return row[0] if row else None

    def enqueue(self, task: str = "noop", args: dict[str, Any] | None = None, **options: Any) -> int:
        """enqueue() with named arguments."""
        named = "".join(f", {name} => %s" for name in options)
        return int(self.value(f"select enqueue(%s, %s{named})", task, json.dumps(args or {}), *options.values()))

    def worker(self, lease: str = "30 s", queues: tuple[str, ...] = ("default",)) -> UUID:
        """A registered worker's id."""
        id = uuid.uuid4()
        self.value("select register_worker(%s, 'w', 'host', 1, '0', %s, 10, %s::interval)", id, list(queues), lease)
        return id

    def claim(
        self, worker: UUID, want: int = 10, queues: tuple[str, ...] = ("default",), **options: Any
    ) -> tuple[UUID, list[dict[str, Any]]]:
        """One claim: its token and the jobs."""
        token = uuid.uuid4()
        rows = self._claim(worker, token, want, queues, **options)
        return token, [row for row in rows if row["id"] is not None]

    def look_again(self, worker: UUID, want: int = 10, queues: tuple[str, ...] = ("default",), **options: Any) -> datetime | None:
        """A claim, and when it says that jobs with limits are to be looked at again; None when none of them wait."""
        *_, last = [None, *self._claim(worker, uuid.uuid4(), want, queues, **options)]
        return last["run_at"] if last and last["id"] is None else None

    def _claim(self, worker: UUID, token: UUID, want: int, queues: tuple[str, ...], **options: Any) -> list[dict[str, Any]]:
        named = "".join(f", {name} => %s" for name in options)
        return self.rows(f"select * from claim(%s, %s, %s, %s{named})", worker, token, list(queues), want, *options.values())

    def finish(self, token: UUID, *outcomes: dict[str, Any]) -> list[dict[str, Any]]:
        """finish() for outcomes of one claim, as a worker hands them in: those that succeeded without a result as arrays."""
        plain = [outcome for outcome in outcomes if outcome["state"] == "succeeded" and outcome.keys() <= PLAIN]
        others = [{"token": str(token), **outcome} for outcome in outcomes if outcome not in plain]
        return self.rows(
            "select * from finish(%s, null, %s::bigint[], %s::uuid[], %s::real[])",
            json.dumps(others) if others or not plain else None,
            [outcome["id"] for outcome in plain] or None,
            [str(outcome.get("token", token)) for outcome in plain],
            [outcome.get("elapsed") for outcome in plain],
        )

    def finish_json(self, token: UUID, *outcomes: dict[str, Any]) -> list[dict[str, Any]]:
        """finish() for outcomes of one claim, all of them as JSON; the verdicts."""
        return self.rows("select * from finish(%s)", json.dumps([{"token": str(token), **outcome} for outcome in outcomes]))

    def job(self, id: int) -> dict[str, Any]:
        """The job's row in the view `jobs`."""
        (row,) = self.rows("select * from jobs where id = %s", id)
        return row

    def state(self, id: int) -> str:
        """The job's state."""
        return str(self.job(id)["state"])

    def running(self, **options: Any) -> tuple[int, UUID]:
        """A new job that runs under a new worker: its id and token."""
        id = self.enqueue(queue=f"q{uuid.uuid4().hex}", **options)
        token, _ = self.claim(self.worker(), queues=(self.job(id)["queue"],))
        return id, token

    def refusal(self, query: str, *params: Any) -> psycopg.Error:
        """The error with which a statement is refused; what went before it in this transaction stays."""
        with pytest.raises(psycopg.Error) as caught, self.connection.transaction():
            self.value(query, *params)
        return caught.value

    def nothing_drifts(self) -> None:
        """What is stored of workflows agrees with what it is derived from; asserted at the end of every test."""
        if not self.connection.closed and self.connection.info.transaction_status != TransactionStatus.INERROR:
            assert self.rows("select * from pgqueue.workflow_drift()") == []

    def make_due(self) -> None:
        """Time travel: the time of every scheduled job has come."""
        self.rows("update job set run_at = clock_timestamp() - interval '1 s' where state = 'scheduled'")

    def lose(self, *workers: UUID) -> None:
        """Time travel: these workers have missed their lease, and it was noticed."""
        self.rows("update worker set heartbeat_at = heartbeat_at - 2 * lease where id = any (%s)", list(workers))
        self.value("select mark_lost()")

    def listen(self) -> None:
        """Hear the wake-ups of this install from now on."""
        self.connection.execute(f"listen {self.value('select channel()')}")

    def wakes(self, sender: "Sql") -> list[str]:
        """The queues that were woken since the last call. No waiting: a wake-up sent now must arrive behind the others."""
        sender.value("select wake('that was all')")
        heard: list[str] = []
        for notify in self.connection.notifies(timeout=10):
            if notify.payload == "that was all":
                break
            heard.append(notify.payload)
        return heard


@pytest.fixture
def sql(connection: psycopg.Connection[Any]) -> Iterator[Sql]:
    """The test's connection."""
    sql = Sql(connection)
    yield sql
    sql.nothing_drifts()


@pytest.fixture
def another_sql(connect: Callable[..., psycopg.Connection[Any]]) -> Callable[[], Sql]:
    """Opens further connections."""
    return lambda: Sql(connect())


@pytest.fixture(scope="session")
def lasting_url(server_url: str, template: str) -> Iterator[str]:
    """A database with pgqueue for many tests: they leave nothing behind, because they roll back."""
    with new_database(server_url, template) as url:
        yield url


@pytest.fixture(scope="session")
def lasting_connection(lasting_url: str) -> Iterator[psycopg.Connection[Any]]:
    """One connection to that database: a new one would compile every function again."""
    with psycopg.connect(lasting_url, options="-c search_path=pgqueue", autocommit=True) as connection:
        yield connection


@pytest.fixture
def lasting_sql(lasting_connection: psycopg.Connection[Any]) -> Iterator[Sql]:
    """That connection: what a test does there, it rolls back."""
    yield Sql(lasting_connection)
    assert lasting_connection.info.transaction_status == TransactionStatus.IDLE
    lasting_connection.execute("reset all")
    if lasting_connection.execute("select pg_relation_size('pgqueue.job') > %s", [LARGEST]).fetchone() == (True,):
        lasting_connection.execute("vacuum")  # what was rolled back has left its pages, and the next test would read them


@pytest.fixture
def rolled_back_sql(lasting_sql: Sql) -> Iterator[Sql]:
    """A connection in a transaction that is rolled back: much cheaper than a fresh database where nobody else looks on."""
    with lasting_sql.connection.transaction(force_rollback=True):
        yield lasting_sql
        lasting_sql.nothing_drifts()
