"""A database with a login that owns an install, and an outsider who may create schemas."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

SUPERUSER, OWNER, OUTSIDER = "superuser", "owner", "outsider"
KINDS = ("producer", "worker", "viewer", "operator", "admin")


class Town:
    """The database.

    Attributes:
        url: of a superuser.
        schema: a name for an install, which its roles begin with.
    """

    def __init__(self, url: str, schema: str) -> None:
        self.url = url
        self.schema = schema

    def role(self, who: str) -> str:
        """The name of a login or of a role of the install."""
        return str(conninfo_to_dict(self.url)["user"]) if who == SUPERUSER else f"{self.schema}_{who}"

    def url_of(self, who: str) -> str:
        """The URL of a login."""
        return self.url if who == SUPERUSER else make_conninfo(self.url, user=self.role(who), password="x")

    @contextmanager
    def as_login(self, who: str, autocommit: bool = True) -> Iterator[psycopg.Connection[Any]]:
        with psycopg.connect(self.url_of(who), autocommit=autocommit) as connection:
            yield connection

    def run(self, who: str, *statements: str) -> None:
        """Run statements; in them `{s}` is the schema and `{outsider}`, `{owner}`, `{producer}`, … are roles."""
        with self.as_login(who) as connection:
            for statement in statements:
                connection.execute(self.text(statement))

    def text(self, statement: str) -> sql.Composed:
        names = {who: sql.Identifier(self.role(who)) for who in (SUPERUSER, OWNER, OUTSIDER, *KINDS)}
        return sql.SQL(statement).format(s=sql.Identifier(self.schema), **names)

    def rows(self, query: str, *params: Any) -> list[tuple[Any, ...]]:
        with self.as_login(SUPERUSER) as connection:
            return connection.execute(self.text(query), params).fetchall()


@contextmanager
def logins(server_url: str, database: str) -> Iterator[Town]:
    """Make the logins; they are gone afterwards with all that they own in the database, and the roles of the install too."""
    town = Town(make_conninfo(server_url, dbname=database), f"t{uuid.uuid4().hex[:8]}")
    town.run(
        SUPERUSER,
        "create role {owner} login createrole password 'x'",
        "create role {outsider} login password 'x'",
        sql.SQL("grant create on database {} to {{owner}}, {{outsider}}").format(sql.Identifier(database)).as_string(),
    )
    try:
        yield town
    finally:
        town.run(SUPERUSER, sql.SQL("alter database {} owner to {{superuser}}").format(sql.Identifier(database)).as_string())
        with town.as_login(SUPERUSER) as connection:
            for who in (OWNER, OUTSIDER, *reversed(KINDS)):
                name = sql.Identifier(town.role(who))
                if connection.execute("select to_regrole(%s)", [town.role(who)]).fetchone() != (None,):
                    connection.execute(sql.SQL("drop owned by {} cascade").format(name))
        with town.as_login(SUPERUSER) as connection:
            for who in (*reversed(KINDS), OUTSIDER, OWNER):
                connection.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(town.role(who))))
