"""Reading the URL of a database. What libpq says of one that it refuses may hold the password, so it is not repeated."""

from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from ..errors import ConfigurationError

_SCHEMES = ("postgresql://", "postgres://")


def read_url(url: str) -> dict[str, Any]:
    """The parameters in a URL, or in text of the form key=value.

    Beside what libpq refuses, this refuses a URL in which a part of the password stands where a host, a port or a database
    should be, because every error of a connection shows those.

    Raises:
        ConfigurationError: it cannot be used. Neither the message nor the context holds a part of it, except for a known scheme.
    """
    given = _parsed(url)
    if given is None:
        raise ConfigurationError(f"database_url: {_shown(url)} is not valid; use postgresql://user@host/database or embedded:")
    if fault := _misplaced(url, given):
        raise ConfigurationError(f"database_url: {fault}")
    return given


def _parsed(url: str) -> dict[str, Any] | None:
    try:
        return conninfo_to_dict(url)
    except (psycopg.Error, UnicodeError):
        return None


def _misplaced(url: str, given: dict[str, Any]) -> str | None:
    """What is wrong where libpq will find something wrong, but only when it connects."""
    host = str(given.get("host") or "")
    if "@" in host and not host.startswith(("/", "@")):  # those are directories of sockets
        return "its host has an @; write an @ of a password as %40"
    if not all(port == "" or (port.isascii() and port.isdecimal()) for port in str(given.get("port") or "").split(",")):
        return "its port is not a number; write a / of a password as %2F, an @ as %40 and a : as %3A"
    if url.startswith(_SCHEMES) and "@" in url.partition("://")[2].partition("?")[0].partition("/")[2]:
        return "an @ stands behind a /; write a / of a password as %2F, and an @ of a name as %40"
    return None


def _shown(url: str) -> str:
    """The scheme, if it is one that others use for PostgreSQL; other text before :// may be a secret."""
    scheme, found, _ = url.partition("://")
    known = scheme.partition("+")[0] in ("postgres", "postgresql", "psql", "pgsql", "mysql", "sqlite", "redis", "http", "https")
    return f"'{scheme}://…'" if found and known and scheme.replace("+", "").isalnum() and len(scheme) <= 40 else "it"
