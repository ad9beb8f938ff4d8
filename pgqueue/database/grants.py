"""Which grant lets a session do what it was refused."""

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import psycopg

from .files import resource

_REFUSED = re.compile(r"^permission denied for (?P<kind>\w+) (?P<name>.+)$")
_MAY_CALL = re.compile(r"may_call constant jsonb := '(.*?)';", re.DOTALL)
_RELATION = re.compile(r"^create (?:or replace )?(?:unlogged )?(?:table|view) (\w+)", re.MULTILINE)
_LEAST_FIRST = ("producer", "viewer", "worker", "operator", "scaler", "admin")
_FOR = {
    "producer": " (to enqueue)", "worker": " (to run jobs)", "viewer": " (to look, and wait for results)",
    "operator": " (to cancel and retry)", "admin": " (for all of it)",
}  # fmt: skip
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")


def remedy(message: str, schema: str, user: str | None) -> str | None:
    """The statement that mends a refusal of the server; None: it is not about what roles of ours may do.

    Args:
        message: what the server said.
        schema: of the install.
        user: who was refused; None = it is not known.
    """
    refused = _REFUSED.match(message)
    if refused is None:
        return None
    kinds = _kinds(refused["kind"], refused["name"].rpartition(".")[2])
    roles = " or ".join(quoted(f"{schema}_{kind}") + (_FOR[kind] if len(kinds) > 1 else "") for kind in kinds)
    return f"grant {roles} to {quoted(user) if user else 'the role of this session'}" if roles else None


def user_of(connection: Any) -> str | None:
    """The user of a connection of psycopg; None if it is another one, or closed."""
    if not isinstance(connection, psycopg.Connection | psycopg.AsyncConnection) or connection.closed:
        return None
    return connection.info.user


def quoted(name: str) -> str:
    """A name as an identifier of SQL, in quotation marks where it needs them."""
    return name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'


def _kinds(kind: str, name: str) -> Sequence[str]:
    """The roles of which one is enough, the least one if that is known."""
    if kind in ("function", "routine"):
        return [role for role in _LEAST_FIRST if name in _may_call().get(role, ())][:1]
    if kind in ("table", "view"):  # of ours: the query of an enqueue_select may read others
        return ["viewer"] if name in _relations() else []
    return ["producer", "worker", "viewer", "operator", "admin"] if kind == "schema" else []


@cache
def _relations() -> frozenset[str]:
    sql = resource("sql")
    files = [*(sql / "tables").glob("*.sql"), sql / "views.sql"]
    return frozenset().union(*(_RELATION.findall(file.read_text(encoding="utf-8")) for file in files))


@cache
def _may_call() -> Mapping[str, Sequence[str]]:
    """Of the roles in sql/roles.sql."""
    found = _MAY_CALL.search((resource("sql") / "roles.sql").read_text(encoding="utf-8"))
    assert found is not None
    called: Mapping[str, Sequence[str]] = json.loads(found[1])
    return called
