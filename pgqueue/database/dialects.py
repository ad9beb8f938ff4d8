"""URLs as SQLAlchemy writes them, postgresql+driver://…, in the form that libpq reads."""

from urllib.parse import parse_qsl, quote

from ..errors import ConfigurationError

_SCHEMES = ("postgresql", "postgres")
_DRIVERS = ("asyncpg", "psycopg", "psycopg_async", "psycopg2", "psycopg2cffi", "pg8000")
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
# What means something to a driver only: pgqueue prepares nothing that lasts, and has deadlines of its own.
_OF_DRIVERS = frozenset(
    {
        "async_fallback", "command_timeout", "max_cacheable_statement_size", "max_cached_statement_lifetime",
        "prepare_threshold", "prepared_statement_cache_size", "prepared_statement_name_func", "statement_cache_size",
    }
)  # fmt: skip
_OF_OTHERS = ("schema", "pgbouncer", "connection_limit", "pool_timeout", "pool_size", "sslaccept", "currentSchema")
_RENAMED = {"ssl": "sslmode", "timeout": "connect_timeout", "database": "dbname"}


def has_driver(url: str) -> bool:
    """Whether a driver, of whatever name, stands behind the scheme."""
    scheme, found, _ = url.partition("://")
    return bool(found) and scheme.startswith(tuple(f"{one}+" for one in _SCHEMES))


def without_driver(url: str) -> str:
    """The same URL for libpq.

    Args:
        url: one that has a driver.

    Raises:
        ConfigurationError: the driver is unknown, or a parameter cannot be translated.
    """
    scheme, _, rest = url.partition("://")
    if scheme.partition("+")[2] not in _DRIVERS:
        raise ConfigurationError(
            f"database_url: its driver is unknown; use postgresql:// or postgresql+ one of {', '.join(_DRIVERS)}"
        )
    place, asked, query = rest.partition("?")
    place = place.replace(" ", "%20")  # SQLAlchemy writes a space of a password as it is
    return f"postgresql://{place}{'?' if asked else ''}{_translated(query)}"


def foreign_parameter(url: str) -> str | None:
    """What is wrong with a URL that libpq refuses: a parameter that other libraries know. Others may be a part of a password."""
    names = {part.partition("=")[0] for part in url.rpartition("?")[2].split("&")}
    if wrong := sorted(names & _RENAMED.keys()):
        remedy = "sslmode=require" if wrong[0] == "ssl" else f"{_RENAMED[wrong[0]]}="
        return f"{wrong[0]!r} is no parameter of PostgreSQL; use {remedy}"
    if wrong := sorted(names & (_OF_DRIVERS | set(_OF_OTHERS))):
        return f"{wrong[-1]!r} is no parameter of PostgreSQL; remove it"
    return None


def _translated(query: str) -> str:
    """The parameters: those of a driver only are left out; several hosts, each with its port, become two lists."""
    given = parse_qsl(query, keep_blank_values=True)
    hosts = [value for name, value in given if name == "host"]
    kept = [(_RENAMED.get(name, name), _value(name, value)) for name, value in given if name not in _OF_DRIVERS]
    if hosts and not hosts[0].startswith("/"):
        kept = [(name, value) for name, value in kept if name not in ("host", "port")] + _places(given, hosts)
    return "&".join(f"{quote(name)}={quote(value)}" for name, value in kept)


def _value(name: str, value: str) -> str:
    if name == "ssl" and value not in _SSL_MODES:
        raise ConfigurationError(f"database_url: ssl: its value is not valid; use sslmode= with one of {', '.join(_SSL_MODES)}")
    is_seconds = name == "timeout" and len(value) < 10 and value.isascii() and value.replace(".", "", 1).isdecimal()
    return str(max(1, int(float(value)))) if is_seconds else value  # 0 would be no limit


def _places(given: list[tuple[str, str]], hosts: list[str]) -> list[tuple[str, str]]:
    """The hosts and the ports of ?host=one:5432&host=two:5433, and of ?host=one,two&port=5432,5433."""
    pairs = [_host_and_port(host) for host in hosts]
    ports = [value for name, value in given if name == "port"] or [port for _, port in pairs]
    places = [("host", ",".join(host for host, _ in pairs))]
    return [*places, ("port", ",".join(ports))] if any(ports) else places


def _host_and_port(host: str) -> tuple[str, str]:
    if host.startswith("["):  # IPv6
        name, _, port = host[1:].partition("]")
        return name, port.removeprefix(":")
    name, _, port = host.partition(":") if host.count(":") == 1 else (host, "", "")
    return name, port
