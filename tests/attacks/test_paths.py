"""Nothing that somebody has made in a schema of the search_path is called by our statements."""

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import sql
from psycopg._queries import PostgresQuery
from psycopg.adapt import Transformer

from pgqueue import PgQueue
from pgqueue.database import Call
from pgqueue.database.adapters import ADAPTERS, OwnCursor
from pgqueue.database.bridge import run_on_own
from pgqueue.database.connection import OwnAsyncConnection, connect_options, open_connection
from pgqueue.database.qualify import Refused, qualified
from pgqueue.database.statement import Statements
from tests.attacks.planted import plant, plant_types, put_first, sins
from tests.cli.conftest import run_here
from tests.every_call import every_call
from tests.faults.settings import use

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


class Unreadable(Exception):
    """PostgreSQL refuses to parse a statement."""


class Parser:
    """Finds out what PostgreSQL takes the names in a statement for, with the search_path of a connection."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        connection.execute("create schema parsed")

    def planted(self, statement: bytes, params: Any) -> set[str]:
        """What a statement would call or read of what is planted: what a function depends on whose body it is."""
        with OwnCursor(self._connection, ADAPTERS) as cursor:
            query = PostgresQuery(Transformer.from_context(cursor))
            query.convert(statement, params)
        arguments = ", ".join(self._types(query.query, query.types))
        with self._connection.transaction(force_rollback=True):
            self._connection.execute(
                f"create function parsed.it({arguments}) returns void language sql begin atomic ".encode() + query.query + b"; end"
            )
            return {
                name
                for (name,) in self._connection.execute(
                    "select pg_catalog.pg_describe_object(d.refclassid, d.refobjid, 0) from pg_catalog.pg_depend d, "
                    "pg_catalog.pg_identify_object(d.refclassid, d.refobjid, 0) i where i.schema operator(pg_catalog.=) 'evil' "
                    "and d.objid operator(pg_catalog.=) (select oid from pg_catalog.pg_proc where proname "
                    "operator(pg_catalog.=) 'it' and pronamespace operator(pg_catalog.=) 'parsed'::pg_catalog.regnamespace)"
                )
            }

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
