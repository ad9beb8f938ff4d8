"""One install with roles for all tests here, and logins that are members of them."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.errors import InsufficientPrivilege

from pgqueue import PgQueue
from pgqueue.migrate import migrate

ROLES = ("producer", "worker", "viewer", "operator", "admin")  # of keys of the REST API too
LOGINS = (*ROLES, "scaler")


class Install:
    """An install with roles, in a schema of its own because roles belong to the server, and logins that are members of them."""

    def __init__(self, server_url: str) -> None:
        self.schema = f"s{uuid.uuid4().hex[:8]}"
        self.password = uuid.uuid4().hex
        self._server_url = server_url
        self.url = make_conninfo(server_url, dbname=self.schema)
        self._logins: list[str] = []

    def create(self) -> None:
        """The database, the install, its roles and a login in each, and one in none: "stranger"."""
        self.on_server("create database {}", self.schema)
        migrate(self.url, self.schema, roles=True)
        for kind in LOGINS:
            self.new_login(kind)
            self.on_server("grant {} to {}", self.role(kind), self.login(kind))
        self.new_login("stranger")

    def new_login(self, name: str) -> None:
        """A login that may do nothing yet."""
        self.on_server(f"create role {{}} login password '{self.password}'", self.login(name))
        self._logins.append(self.login(name))

    def drop(self) -> None:
        """Nothing stays on the server."""
        self.on_server("drop database {} with (force)", self.schema)
        for role in [*self._logins, *(self.role(kind) for kind in reversed(LOGINS))]:
            self.on_server("drop role if exists {}", role)

    def role(self, kind: str) -> str:
        """The name of one of the roles."""
        return f"{self.schema}_{kind}"

    def login(self, name: str) -> str:
        """The name of a login."""
        return f"{self.schema}_login_{name}"

    def on_server(self, statement: str, *names: str) -> None:
        """Run a statement outside the install's database."""
        with psycopg.connect(self._server_url, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def url_of(self, name: str) -> str:
        """The install's URL for a login."""
        return make_conninfo(self.url, user=self.login(name), password=self.password)

    @contextmanager
    def as_login(self, name: str | None) -> Iterator[psycopg.Connection[Any]]:
        """A connection of a login, of the owner for None, with the schema on its search_path."""
        url = self.url_of(name) if name else self.url
        with psycopg.connect(url, options=f"-c search_path={self.schema}", autocommit=True) as connection:
            yield connection

    def rows(self, query: str, *params: Any) -> list[tuple[Any, ...]]:
        """Rows of a query of the owner."""
        with self.as_login(None) as connection:
            return connection.execute(query, params).fetchall()


@pytest.fixture(scope="package")
def install(server_url: str) -> Iterator[Install]:
    install = Install(server_url)
    try:
        install.create()
        yield install
    finally:
        install.drop()


@pytest.fixture
def app_of(install: Install) -> Iterator[Callable[[str], PgQueue]]:
    """Apps that connect as one of the logins."""
    apps: list[PgQueue] = []

    def app_of(name: str) -> PgQueue:
        apps.append(PgQueue(install.url_of(name), schema=install.schema, lease=2.0))
        return apps[-1]

    yield app_of
    for app in apps:
        app.close()


def permitted(connection: psycopg.Connection[Any], statement: str) -> bool:
    """Whether a statement is let through, whatever becomes of it afterwards; nothing stays."""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(statement)
    except InsufficientPrivilege:
        return False
    except psycopg.Error:
        return True
    return True
