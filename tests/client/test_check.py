"""app.check: what is wrong is known before anything starts."""

from typing import Any

import psycopg
import pytest

from pgqueue import INJECTED, Inject, Limit, PgQueue, __version__
from pgqueue.errors import ConfigurationError, DatabaseNotConfigured, NotMigrated

URL = "postgresql://nobody@localhost:1/nothing"


class Client:
    """Something a lifespan provides."""


def test_an_app_that_is_well_passes(app: PgQueue) -> None:
    @app.task
    def work(n: int) -> None: ...

    app.check()


def test_everything_that_is_wrong_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGQUEUE_LEESE", "5")
    app = PgQueue(URL)

    @app.task
    def fetch(url: str, client: Inject[Client] = INJECTED) -> None: ...

    with pytest.raises(ConfigurationError) as caught:
        app.check(database=False)
    message = str(caught.value)
    assert (
        "PGQUEUE_LEESE: there is no such setting; there are: PGQUEUE_API_POOL_SIZE, PGQUEUE_APP_VERSION, PGQUEUE_DATABASE_URL"
        in message
    )
    assert "task 'fetch': 'client' is injected, but the app has no lifespan" in message


def test_a_database_that_is_not_there_or_not_migrated_is_told(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGQUEUE_DATABASE_URL", raising=False)
    with pytest.raises(DatabaseNotConfigured):
        PgQueue().check()
    empty = PgQueue(empty_database_url)
    with pytest.raises(NotMigrated):
        empty.check()
    empty.close()


def test_another_version_in_the_schema_is_told(app: PgQueue, connection: psycopg.Connection[Any]) -> None:
    connection.execute("create or replace function installed_version() returns text language sql as $$ select '0.0.1' $$")
    with pytest.raises(NotMigrated, match=rf"has pgqueue 0.0.1, this is {__version__}"):
        app.check()


def test_without_the_database_nothing_connects() -> None:
    PgQueue(URL).check(database=False)


def test_limits_that_are_neither_declared_nor_set_are_named(app: PgQueue) -> None:
    app.limits.declare(Limit("openai", "60/m"))
    app.limits.set("vip:1", max_running=1)
    app.limits.set("tenant", max_running=1)
    app.task(name="well", rate_limit="1/s", fair="turn:{n}", limits=["openai", "tenant:{n}", "vip:1"])(lambda n: n)
    app.check()
    app.task(name="ill", limits=["openai", "gone:{n}", "vip:2"])(lambda n: n)
    app.check(database=False)  # they may be set there
    with pytest.raises(ConfigurationError) as caught:
        app.check()
    message = str(caught.value)
    assert "task 'ill': limit 'gone:{n}' is neither declared nor set; declare it by" in message
    assert "pgqueue limits set gone --rate 60/m; task 'ill': limit 'vip:2' is neither" in message
    assert "'well'" not in message
