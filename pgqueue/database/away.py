"""Why a connection could not be opened, in one line: where to, from which setting, why, and what mends it.

libpq tells the state of the server's refusal in its text only. Its own words are kept, and a remedy is added for those that
are known; in another language of the server they stand alone.
"""

import re
from collections.abc import Mapping
from typing import Any

from psycopg import pq

MOST_SAID = 500  # characters of what libpq or the server has said
_ATTEMPT = re.compile(r"^- host: (?:'([^']*)'|None), port: (?:'([^']*)'|None), hostaddr: (?:'[^']*'|None): (.*)$", re.MULTILINE)
_SERVER = r'connection to server (?:at|on socket) ".*?"(?:, port \d+)? failed: '
_BEFORE = re.compile(rf"^(?:connection failed: |connection is bad: |{_SERVER}|FATAL:  |fe_sendauth: )")
_REMEDIES = (
    ("Connection refused", "no server listens there: start it, or correct host and port"),
    ("No such file or directory", "no server has this socket: start it, or name its directory as ?host=/directory"),
    ("failed to resolve host", "correct the host, or the name server of this machine"),
    ("timeout expired", "check host and port, the network and its firewalls"),
    ("No route to host", "check the host, the network and its firewalls"),
    ("Network is unreachable", "check the host and the network of this machine"),
    ("no password supplied", "put the password into the URL, or keep it in ~/.pgpass"),
    ("password authentication failed", "correct user and password; in a URL an @ is %40, a / is %2F, a : is %3A, a % is %25"),
    ("authentication failed", "correct the user, or the server's pg_hba.conf"),
    ("is not permitted to log in", "use another user, or `alter role … login`"),
    ("permission denied for database", "use another user, or `grant connect on database … to …`"),
    ("too many", "the server is full: raise its limit, start fewer processes, or lower pool_size (PGQUEUE_POOL_SIZE)"),
    ("remaining connection slots", "the server is full: raise max_connections, or lower pool_size (PGQUEUE_POOL_SIZE)"),
    ("no more connections allowed", "the pooler is full: raise its max_client_conn, or lower pool_size (PGQUEUE_POOL_SIZE)"),
    ("no encryption", "the server wants TLS: add ?sslmode=require to the URL, or correct its pg_hba.conf"),
    ("no pg_hba.conf entry", "the server admits nobody from here: correct user and database, or its pg_hba.conf"),
    ("pg_hba.conf rejects", "the server's pg_hba.conf refuses this user, database or address"),
    ("does not support SSL", "remove sslmode from the URL, or turn on ssl in the server"),
    ("root certificate file", "name the file of the authority as ?sslrootcert=/file, or use sslmode=require"),
    ("certificate", "check sslrootcert, sslcert and sslkey, and the host that the certificate names"),
    ("starting up", "the server starts: try again in some seconds"),
    ("not yet accepting connections", "the server starts: try again in some seconds"),
    ("shutting down", "the server stops: start it again"),
    ("recovery mode", "the server repairs itself after a crash: try again in some seconds"),
    ("not accepting connections", "a standby, or a database that admits nobody: use another one"),
    ("read-only", "none of the hosts is the primary"),
    ("invalid response", "what answers there is no PostgreSQL server: correct host and port"),
    ("closed the connection unexpectedly", "check that a PostgreSQL server is what answers there, and its log"),
)
_NO_DATABASE = re.compile(r'database ".*" does not exist')
_NO_ROLE = re.compile(r'role ".*" does not exist')


def why(error: BaseException, given: Mapping[str, Any], setting: str) -> str:
    """What to say of a connection that could not be opened.

    Args:
        error: of psycopg, from the try to connect.
        given: the parameters of the URL.
        setting: where the URL comes from.
    """
    return f"cannot connect to {place(given)} ({setting}): {_reasons(str(error), given)}"


def place(given: Mapping[str, Any]) -> str:
    """The hosts with their ports, or the directory of the socket, as libpq takes them from the URL and its variables."""
    hosts = _listed(given, "host", given.get("hostaddr")) or [_default("host") or "localhost"]
    ports = _listed(given, "port") or [_default("port") or "5432"]
    if len(ports) < len(hosts):
        ports = ports[:1] * len(hosts)
    return ", ".join(_joined(host, port) for host, port in zip(hosts, ports, strict=False))


def _joined(host: str, port: str) -> str:
    port = port or "5432"
    if host.startswith(("/", "@")):
        return f"the socket {host}/.s.PGSQL.{port}"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _listed(given: Mapping[str, Any], name: str, other: object = None) -> list[str]:
    value = given.get(name) or other
    return str(value).split(",") if value else []


def _default(name: str) -> str | None:
    """From PGHOST and its kind, or what is compiled in."""
    for option in pq.Conninfo.get_defaults():
        if option.keyword == name.encode():
            value = option.val or option.compiled
            return value.decode(errors="replace") if value else None
    return None


def _reasons(said: str, given: Mapping[str, Any]) -> str:
    """The reason; of several tries each, if they differ."""
    tries = _ATTEMPT.findall(said)
    if not tries:
        return _reason(said, given)
    by_reason: dict[str, list[str]] = {}
    for host, port, text in tries:
        by_reason.setdefault(_reason(text, given), []).append(_joined(host, port))
    if len(by_reason) == 1:
        return next(iter(by_reason))
    return "; ".join(f"{' and '.join(dict.fromkeys(places))}: {reason}" for reason, places in by_reason.items())


def _reason(said: str, given: Mapping[str, Any]) -> str:
    text = words(said)
    for known, remedy in _REMEDIES:
        if known in text:
            return f"{text}; {remedy}"
    if _NO_DATABASE.search(text):
        return f"{text}; create it (createdb), or correct the name"
    if _NO_ROLE.search(text):
        return f"{text}; create it (createuser), or correct the user"
    return f"{text}; check {'the URL' if given else 'the settings'} and the server"


def words(said: str) -> str:
    """What the server or libpq has said itself, without where it connected to: that is said once."""
    text, before = said.strip().partition("\n")[0], None
    while text != before:
        text, before = _BEFORE.sub("", text, count=1), text
    return text[:MOST_SAID]
