"""Nothing that somebody has made in a schema of the search_path is called by our statements."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import sql
from psycopg._queries import PostgresQuery
from psycopg.adapt import Transformer

from pgqueue import PgQueue
from pgqueue.database import Call
from pgqueue.database.adapters import ADAPTERS, OwnCursor
from pgqueue.database.bridge import run_on_own, runner
from pgqueue.database.connection import OwnAsyncConnection, connect_options, open_connection
from pgqueue.database.qualify import Refused, qualified
from pgqueue.database.statement import Statements
from pgqueue.migrate import migrate
from tests.attacks.conftest import Install
from tests.attacks.planted import plant, plant_types, put_first, sins
from tests.every_call import every_call
from tests.worker.conftest import burst

CHECKOUT = Path(__file__).parents[2]
SAFE = "pg_catalog, pg_temp"
# Our own path cannot name what is planted behind pg_catalog with the very types of PostgreSQL's: only what fits better.
PATHS: dict[str, str] = {"before pg_catalog": "evil, pg_catalog", "behind pg_catalog": "pg_catalog, evil"}

_NAMED = re.compile(r"operator\(pg_catalog\.(.*?)\)|(?<!::)pg_catalog\.(\w+)\(")


@pytest.fixture
def planted(database_url: str) -> str:
    """The URL of an install in a database in whose schema evil all is planted."""
    plant(database_url, "evil")
    plant_types(database_url, "evil")
    return database_url


_PLANTED: LiteralString = """
    select pg_catalog.pg_describe_object(d.refclassid, d.refobjid, 0)
      from pg_catalog.pg_depend d, pg_catalog.pg_identify_object(d.refclassid, d.refobjid, 0) i
     where i.schema operator(pg_catalog.=) 'evil'
       and d.objid operator(pg_catalog.=) ('parsed.it'::pg_catalog.regproc)::pg_catalog.oid
"""


class Unreadable(Exception):
    """PostgreSQL refuses to parse a statement."""


class Parser:
    """Finds out what PostgreSQL takes the names in a statement for, with the search_path of a connection."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        connection.execute("create schema parsed")

    def planted(self, statement: bytes, params: Any) -> set[str]:
        """What a statement would call or read of what is planted: what a function depends on whose body it is."""
        return {name for (name,) in self._of_function(_PLANTED, statement, params)}

    def read(self, statement: bytes, params: Any) -> str:
        """How PostgreSQL writes what it has read, with all parentheses."""
        ((body,),) = self._of_function(
            "select pg_catalog.pg_get_function_sqlbody('parsed.it'::pg_catalog.regproc)", statement, params
        )
        return str(body)

    def _of_function(self, query: LiteralString, statement: bytes, params: Any) -> list[Any]:
        with OwnCursor(self._connection, ADAPTERS) as cursor:
            converted = PostgresQuery(Transformer.from_context(cursor))
            converted.convert(statement, params)
        arguments = ", ".join(self._types(converted.query, converted.types))
        head = f"create function parsed.it({arguments}) returns void language sql begin atomic "
        with self._connection.transaction(force_rollback=True):
            self._connection.execute(head.encode() + converted.query + b"; end")
            return self._connection.execute(query).fetchall()

    def _types(self, statement: bytes, types: Any) -> list[str]:
        """The types of its parameters."""
        prepared = self._connection.pgconn.prepare(b"it", statement, types)
        if prepared.status != psycopg.pq.ExecStatus.COMMAND_OK:
            raise Unreadable(prepared.error_message.decode())
        described = self._connection.pgconn.describe_prepared(b"it")
        assert described.status == psycopg.pq.ExecStatus.COMMAND_OK, described.error_message.decode()
        self._connection.pgconn.exec_(b"deallocate it")
        oids = [described.param_type(n) for n in range(described.nparams)]
        named = "select pg_catalog.format_type(o, null) from pg_catalog.unnest(%s::pg_catalog.oid[]) o"
        return [name for (name,) in self._connection.execute(named, (oids,))]


@pytest.fixture(params=PATHS)
def parser(request: pytest.FixtureRequest, planted: str) -> Iterator[Parser]:
    with psycopg.connect(planted, autocommit=True) as connection:
        connection.execute(sql.SQL("set search_path to {}").format(sql.SQL(PATHS[request.param])))
        yield Parser(connection)


def _as_written(call: Call[Any]) -> bytes:
    query = sql.SQL(call.query or "")
    return sql.SQL(call.statement).format(schema=sql.Identifier("pgqueue"), query=query).as_bytes(None)


def test_no_statement_of_ours_means_what_is_planted(parser: Parser) -> None:
    statements = Statements("pgqueue")
    found = {name: planted for name, call in every_call() if (planted := parser.planted(statements.of(call), call.params))}
    assert found == {}


def test_the_statement_of_a_plain_job_is_among_them() -> None:
    assert any("{schema}.enqueue_plain(" in call.statement for _, call in every_call())


def test_a_statement_means_what_it_meant_before_it_was_qualified(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        parser, statements = Parser(connection), Statements("pgqueue")
        for name, call in every_call():
            assert parser.read(statements.of(call), call.params) == parser.read(_as_written(call), call.params), name


@pytest.mark.parametrize(
    "statement",
    [
        "select 1 where state in ('a', 'b')", "select nullif(1, 2)", "select case a when 1 then 2 end",
        "select a between 1 and 2", "select 1 from a join b using (id)", "select 1 where a is not distinct from b",
        "select a like 'b'", "select a = b + 1", "select a || b * 2", "select -a", "select a ~ b", "select a, -count(*)",
    ],
)  # fmt: skip
def test_a_statement_that_cannot_be_qualified_is_refused(statement: LiteralString) -> None:
    with pytest.raises(Refused):
        qualified(statement)


def test_every_operator_and_function_of_our_statements_is_planted(database_url: str) -> None:
    """What is planted would be called if the statements were sent as they are written; else the test before shows nothing."""
    plant(database_url, "evil")
    named: set[str] = set()
    reached: set[str] = set()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("set search_path to evil, pg_catalog")
        parser = Parser(connection)
        for _, call in every_call():
            named |= {name for names in _NAMED.findall(qualified(call.statement)) for name in names if name}
            with suppress(Unreadable):  # what is planted cannot compare rows
                found = parser.planted(_as_written(call), call.params)
                reached |= {re.split(r"[ (]", name.replace("evil.", ""))[1] for name in found}
    assert named - reached == {"array_agg", "row_number"}, "in PL/pgSQL nobody can make a window function, or one of any array"


@pytest.fixture
def evil_first(planted: str) -> str:
    """The URL of a database whose sessions look into the schema evil first."""
    put_first(planted, "evil")
    return planted


def test_nothing_planted_is_called_over_a_connection(evil_first: str, used: Callable[[str], list[Any]]) -> None:
    assert used(evil_first)
    assert sins(evil_first, "evil") == 0


def test_nothing_planted_is_called_through_a_pooler(
    evil_first: str, pooled: Callable[[int], str], used: Callable[[str], list[Any]]
) -> None:
    assert used(pooled(4))
    assert sins(evil_first, "evil") == 0


def test_no_call_calls_what_is_planted(evil_first: str, pooled: Callable[[int], str]) -> None:
    """Each call, on a connection of ours, through a pooler, and on a connection of the application."""
    statements = Statements("pgqueue")
    urls = {"ours": evil_first, "pooled": pooled(1)}
    for url in urls.values():
        with open_connection(url, "test") as connection:
            for _, call in every_call():
                with suppress(psycopg.Error):  # most are about jobs that do not exist
                    run_on_own(connection, statements.of(call), call.params)
    with psycopg.connect(evil_first) as theirs:
        for _, call in every_call():
            with suppress(psycopg.Error), theirs.transaction(force_rollback=True):
                runner(theirs)(theirs, statements.of(call), call.params)
    assert sins(evil_first, "evil") == 0


def _path(connection: Any) -> str:
    return str(connection.execute("select pg_catalog.current_setting('search_path')").fetchone()[0])


def test_a_session_of_ours_looks_only_into_pg_catalog(database_url: str) -> None:
    with open_connection(database_url, "test") as connection:
        assert _path(connection) == SAFE

    async def path() -> str:
        async with await OwnAsyncConnection.connect(database_url, **connect_options(database_url, "test")) as connection:
            cursor = await connection.execute("select pg_catalog.current_setting('search_path')")
            return str((await cursor.fetchall())[0][0])

    assert asyncio.run(path()) == SAFE


def test_a_session_behind_a_pooler_keeps_its_path(pooled: Callable[[int], str]) -> None:
    url = pooled(1)
    with open_connection(url, "test") as connection:
        assert _path(connection) == '"$user", public'
    with psycopg.connect(url) as other:
        assert _path(other) == '"$user", public'


@pytest.mark.parametrize("is_pooled", [False, True], ids=["direct", "pooled"])
def test_a_query_of_the_application_has_its_own_path(database_url: str, pooled: Callable[[int], str], is_pooled: bool) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("create schema shop create table customer (id int)")
        connection.execute("insert into shop.customer values (7), (8)")
        connection.execute(sql.SQL("alter database {} set search_path to shop").format(sql.Identifier(connection.info.dbname)))
    app = PgQueue(pooled(1) if is_pooled else database_url)

    @app.task
    def welcome(id: int) -> None: ...

    @app.task
    async def awelcome(id: int) -> None: ...

    assert welcome.enqueue_select("select id from customer where id > %(least)s", {"least": 7}) == 1
    assert welcome.enqueue_select("select id from customer") == 2, "and again on the same connection"
    with app.database.pool().connection() as own:
        assert _path(own) == ("shop" if is_pooled else SAFE), "nothing stays"

    async def select() -> int:
        added = await awelcome.aenqueue_select("select id from customer")
        await app.aclose()
        return added

    assert asyncio.run(select()) == 2
    app.close()


def test_no_function_behind_a_view_or_a_trigger_reads_the_path_of_its_caller(connection: psycopg.Connection[Any]) -> None:
    """Nor does one that our statements call: it has a search_path, or was read when it was made."""
    called = sorted({name for _, call in every_call() for name in re.findall(r"\{schema\}\.(\w+)\(", call.statement)})
    found = connection.execute(
        """select p.oid::regprocedure::text from pg_proc p
            where p.pronamespace = 'pgqueue'::regnamespace and p.prosqlbody is null
              and not coalesce(array_to_string(p.proconfig, ' ') ~ 'search_path=', false)
              and (p.proname = any (%s) or exists (
                     select from pg_depend d
                      where d.refclassid = 'pg_proc'::regclass and d.refobjid = p.oid and d.deptype = 'n'))""",
        (called,),
    ).fetchall()
    assert found == []


def test_nothing_planted_is_called_by_a_migration_through_a_pooler(
    evil_first: str, pooled: Callable[[int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = pooled(1)
    assert not migrate(url)
    monkeypatch.setenv("PGQUEUE_DATABASE_URL", url)
    for command in (["current"], ["upgrade", "head"]):
        alembic = [sys.executable, "-m", "alembic", *command]
        done = subprocess.run(alembic, cwd=CHECKOUT, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
    assert sins(evil_first, "evil") == 0


def test_a_migration_asks_for_no_types(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLAlchemy would look for the type hstore at connect, with functions and operators that are not qualified."""

    def fetch(*_: Any) -> None:
        raise AssertionError("a look-up of a type")

    monkeypatch.setattr(psycopg.types.TypeInfo, "fetch", fetch)
    assert not migrate(database_url)


@pytest.mark.parametrize(("name", "times"), [("worker", 0), (None, 1)], ids=["member", "superuser"])
def test_a_worker_that_logs_in_as_a_superuser_warns_once(
    install: Install, caplog: pytest.LogCaptureFixture, name: str | None, times: int
) -> None:
    app = PgQueue(install.url_of(name) if name else install.url, schema=install.schema)

    async def run() -> None:
        await burst(app)
        await app.aclose()

    asyncio.run(run())
    warned = [record.getMessage() for record in caplog.records if "superuser" in record.getMessage()]
    assert len(warned) == times
    assert all(f"use a login that is a member of {install.schema}_worker" in line for line in warned)


def test_a_worker_of_an_embedded_server_does_not_warn(
    install: Install, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no other login."""
    monkeypatch.setattr("pgqueue.client.connection_url", lambda _: install.url)
    app = PgQueue("embedded:", schema=install.schema)

    async def run() -> None:
        await burst(app)
        await app.aclose()

    asyncio.run(run())
    assert [line for line in caplog.messages if "superuser" in line] == []
