"""--schemas: one command serves several installs."""

import json
import signal
import sys
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from pgqueue import PgQueue
from pgqueue.cli.installs import chosen
from pgqueue.control.installs import in_schema
from pgqueue.errors import ConfigurationError
from pgqueue.migrate import migrate

from ..waiting import until
from .conftest import Run, Start

APP = "tests.cli.jobs:app"
Several = Callable[..., None]


@pytest.fixture(autouse=True)
def _new_app(monkeypatch: pytest.MonkeyPatch) -> None:
    """The app is imported anew: it keeps the settings with which it was loaded."""
    monkeypatch.delitem(sys.modules, "tests.cli.jobs", raising=False)


def in_install(connection: psycopg.Connection[Any], schema: str, query: str) -> Any:
    """The first value of a query in an install."""
    connection.execute("select set_config('search_path', %s, false)", [schema])
    row = connection.execute(query).fetchone()
    return row and row[0]


def test_each_install_has_its_own_processes_and_jobs_stay_where_they_are(
    start: Start, several: Several, connection: psycopg.Connection[Any]
) -> None:
    several("tenant_a")
    for schema in ("pgqueue", "tenant_a"):
        in_install(connection, schema, "select enqueue('mail', queue => 'mail')")
    workers = start("pgqueue.worker", APP, "--schemas", "pgqueue,tenant_*", "--name", "both")
    done = "select count(*) from jobs where state = 'succeeded'"
    for schema in ("pgqueue", "tenant_a"):
        until(lambda schema=schema: in_install(connection, schema, done) == 1, f"the job of {schema} is done")  # type: ignore[misc]
        assert in_install(connection, schema, "select name from worker") == f"both-{schema}-1"
    workers.signal(signal.SIGTERM)
    assert workers.ends() == 0
    lines = [line for line in map(json.loads, workers.log().splitlines()) if "worker_id" in line]
    assert {line["worker"]: line["install"] for line in lines} == {"both-pgqueue-1": "pgqueue", "both-tenant_a-1": "tenant_a"}


def test_a_burst_ends_when_all_installs_are_done(start: Start, several: Several, connection: psycopg.Connection[Any]) -> None:
    several("tenant_a")
    in_install(connection, "tenant_a", "select enqueue('mail', queue => 'mail')")
    assert start("pgqueue.worker", APP, "--schemas", "pgqueue,tenant_a", "--burst").ends() == 0
    assert in_install(connection, "tenant_a", "select state from jobs") == "succeeded"


def test_an_install_that_is_not_there_yet_does_not_stop_the_others(
    start: Start, connection: psycopg.Connection[Any], database_url: str
) -> None:
    workers = start("pgqueue.worker", APP, "--schemas", "pgqueue,tenant_late")
    workers.says("run `pgqueue migrate --schema ")
    until(lambda: in_install(connection, "pgqueue", "select count(*) from worker") == 1, "the other one is served")
    migrate(database_url, "tenant_late")
    until(lambda: in_install(connection, "tenant_late", "select count(*) from worker") == 1, "so is this one, when it is there")


def test_if_none_can_be_served_it_ends(start: Start) -> None:
    workers = start("pgqueue.worker", APP, "--schemas", "nowhere,elsewhere")
    assert workers.ends() == 2
    assert "pgqueue migrate" in workers.log()


def test_names_and_patterns(several: Several, database_url: str) -> None:
    several("tenant_a")
    app = PgQueue(database_url)
    assert chosen("tenant_*", None, app) == ["tenant_a"]
    assert chosen(" other , tenant_?,tenant_a", None, app) == ["other", "tenant_a"]
    assert chosen("*", None, app) == ["pgqueue", "tenant_a"]
    app.close()


def test_names_alone_ask_no_database() -> None:
    assert chosen("a,b,a", None, PgQueue("postgresql://nobody@localhost:1/nothing")) == ["a", "b"]


@pytest.mark.parametrize(
    ("schemas", "schema", "message"),
    [
        ("a,,b", None, "schemas: 'a,,b' is not valid"),
        ("", None, "schemas: '' is not valid"),
        ("pg_temp", None, "pg_temp"),
        ("nobody_*", None, "schemas: 'nobody_[*]' fits no install of the database; there are: pgqueue"),
        ("a", "b", "schema: 'b' is not valid together with --schemas"),
    ],
)
def test_what_is_refused(app: PgQueue, schemas: str, schema: str | None, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        chosen(schemas, schema, app)


def test_a_pattern_without_a_database_says_what_is_missing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGQUEUE_DATABASE_URL", raising=False)
    ran = run("worker", APP, "--schemas", "tenant_*")
    assert (ran.code, ran.err.count("\n")) == (2, 1)


def test_an_app_in_another_schema_has_the_same_tasks_and_connections_of_its_own(
    app: PgQueue, several: Several, connection: psycopg.Connection[Any]
) -> None:
    several("tenant_a")

    @app.task(queue="mail")
    def work(n: int) -> None: ...

    assert app.database is not None
    other = in_schema(app, "tenant_a")
    assert other.tasks is app.tasks
    assert other.settings.lease == app.settings.lease
    assert other.statements.schema == "tenant_a"
    assert app.statements.schema == "pgqueue"
    assert other.database is not app.database
    other.close()
