"""What surrounds the steps of a migration: it needs no search_path, and gives the transaction its settings back."""

from psycopg.sql import SQL, Identifier, Literal

from ..database.settle import SAFE_PATH
from .files import statement

SETTINGS = ("search_path", "check_function_bodies", "statement_timeout", "idle_in_transaction_session_timeout")
_SET = SQL("select pg_catalog.set_config({}, {}, true)")
_KEEP = SQL("select pg_catalog.set_config({}, pg_catalog.current_setting({}), true)")


def written() -> list[str]:
    """What SQL that is written begins with: it is UTF-8, whatever the session that applies it has."""
    return [_kept("client_encoding"), "set local client_encoding = 'UTF8'"]


def written_out() -> list[str]:
    """What it ends with."""
    return [_restored("client_encoding")]


def entering(schema: str, roles: bool = False) -> list[str]:
    """Create the schema, wait for other migrations of it, check it, and put it on the search_path."""
    path = Literal(f"{Identifier(schema).as_string()}, pg_temp")
    return [
        *map(_kept, SETTINGS),
        *(f"set local {name} = 0" for name in ("statement_timeout", "idle_in_transaction_session_timeout")),
        *_on(schema, roles),
        statement("check_session.sql"),
        statement("make_schema.sql"),
        statement("check_schema.sql"),
        _SET.format(Literal("search_path"), path).as_string(),
        "set local check_function_bodies = off",  # some files call functions of later files
    ]


def checking(schema: str) -> list[str]:
    """Refuse a schema that others could use for an attack; leaves pg_catalog on the search_path."""
    return [*_on(schema), statement("check_schema.sql")]


def leaving() -> list[str]:
    """Give the transaction the settings back that it had before `entering`."""
    return list(map(_restored, SETTINGS))


def expecting(version: str | None) -> list[str]:
    """Refuse a schema that has another version than the one the following SQL was written for. None: no pgqueue."""
    return [_set("pgqueue.since", version or ""), statement("check_version.sql")]


def _kept(name: str) -> str:
    return _KEEP.format(Literal(f"pgqueue.before_{name}"), Literal(name)).as_string()


def _restored(name: str) -> str:
    return _KEEP.format(Literal(name), Literal(f"pgqueue.before_{name}")).as_string()


def _on(schema: str, roles: bool = False) -> list[str]:
    """What the files read, and the search_path that they need."""
    return [SAFE_PATH.decode(), _set("pgqueue.schema", schema), _set("pgqueue.roles", "on" if roles else "off")]


def _set(name: str, value: str) -> str:
    return _SET.format(Literal(name), Literal(value)).as_string()
