"""Reading the URL of a database. What libpq says of one that it refuses may hold the password, so it is not repeated."""

import math
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from ..errors import ConfigurationError
from .dialects import foreign_parameter, has_driver, without_driver

_SCHEMES = ("postgresql://", "postgres://")
_HIDDEN = "***"  # what SQLAlchemy shows in place of a password


class DatabaseUrl(str):
    """A URL that knows which setting it comes from, for errors. Among the values of an object or a frame it does not show itself.

    Attributes:
        setting: as people know it: PGQUEUE_DATABASE_URL, or database_url if it is an argument.
    """

    setting: str

    def __new__(cls, url: str, setting: str | None = None) -> "DatabaseUrl":
        made = super().__new__(cls, url)
        made.setting = setting or setting_of(url)
        return made

    def __repr__(self) -> str:
        return f"DatabaseUrl(of {self.setting})"


def setting_of(url: str) -> str:
    """The setting that a URL comes from."""
    return url.setting if isinstance(url, DatabaseUrl) else "database_url"


def plain_url(url: str) -> str:
    """The URL as libpq reads it: without the driver that SQLAlchemy's have behind the scheme. Text that has none is not changed.

    Raises:
        ConfigurationError: it names an unknown driver, or has a parameter that means nothing to pgqueue. No value is shown.
    """
    return DatabaseUrl(without_driver(url), setting_of(url)) if has_driver(url) else url


def read_url(url: str) -> dict[str, Any]:
    """The parameters in a URL, or in text of the form key=value.

    Beside what libpq refuses, this refuses a URL in which a part of the password stands where a host, a port or a database
    should be, because every error of a connection shows those.

    Raises:
        ConfigurationError: it cannot be used. Neither the message nor the context holds a part of it, except for a known scheme.
    """
    url = plain_url(url)
    given = _parsed(url)
    if given is None and (fault := foreign_parameter(url)):
        raise ConfigurationError(f"database_url: {fault}")
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
    hosts = str(given.get("host") or "").split(",")
    if any("@" in host.removeprefix("@") for host in hosts if not host.startswith("/")):  # sockets: a directory, or @ and a name
        return "its host has an @; write an @ of a password as %40"
    if not all(port == "" or (port.isascii() and port.isdecimal()) for port in str(given.get("port") or "").split(",")):
        return "its port is not a number; write a / of a password as %2F, an @ as %40 and a : as %3A"
    if url.startswith(_SCHEMES) and "@" in url.partition("://")[2].partition("?")[0].partition("/")[2]:
        return "an @ stands behind a /; write a / of a password as %2F, and an @ of a name as %40"
    if not _is_seconds(str(given.get("connect_timeout") or "0")):  # psycopg reads it, and its error shows the value
        return "connect_timeout: its value is not valid; give seconds, such as 5"
    if given.get("password") == _HIDDEN:
        return "its password is ***, as SQLAlchemy shows one; use engine.url.render_as_string(hide_password=False)"
    return None


def _is_seconds(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _shown(url: str) -> str:
    """The scheme, if it is one that others use for PostgreSQL; other text before :// may be a secret."""
    scheme, found, _ = url.partition("://")
    known = scheme.partition("+")[0] in ("postgres", "postgresql", "psql", "pgsql", "mysql", "sqlite", "redis", "http", "https")
    return f"'{scheme}://…'" if found and known and scheme.replace("+", "").isalnum() and len(scheme) <= 40 else "it"
