"""What `alembic revision --autogenerate` and `alembic check` of an application are to leave alone."""

import re
from collections.abc import MutableMapping
from functools import cache
from typing import Any

from ..database.files import resource
from .running import in_environment
from .steps import VERSION_TABLE

_CREATED = re.compile(r"^create (?:unlogged )?table (\w+)", re.MULTILINE)
_PARTITION = re.compile(r"job_history_\w+")


def include_name(name: str | None, type_: str, parent_names: MutableMapping[Any, str | None], *, schema: str = "pgqueue") -> bool:
    """The `include_name` of an application's env.py: Alembic does not read the tables of pgqueue, which it would propose to drop.

    A schema that is pgqueue's alone is not read at all.

    With a filter of the application: `lambda *given: include_name(*given) and mine(*given)`; for another schema:
    `partial(include_name, schema="jobs")`.

    Args:
        name: of something in the database; also the next two are Alembic's.
        type_: its kind.
        parent_names: where it is.
        schema: the schema in which pgqueue is installed; it may be the one of the application.
    """
    if type_ == "schema":
        return name != schema  # that of the application's own tables has no name here
    return type_ != "table" or not _is_ours(name, parent_names.get("schema_name"), schema)


def include_object(
    object: Any, name: str | None, type_: str, reflected: bool, compare_to: Any, *, schema: str = "pgqueue"
) -> bool:
    """The `include_object` of an application's env.py: what `include_name` does, but after Alembic has read the tables.

    Tables that the application's metadata has, too, stay.

    Args:
        object: what Alembic looks at; also the next four are Alembic's.
        name: its name.
        type_: its kind; all but "table" stay.
        reflected: whether it comes from the database.
        compare_to: what the other side has for it.
        schema: the schema in which pgqueue is installed; it may be the one of the application.
    """
    is_only_there = type_ == "table" and reflected and compare_to is None
    return not (is_only_there and _is_ours(name, object.schema, schema))


def _is_ours(name: str | None, stands_in: str | None, schema: str) -> bool:
    if name is None or (stands_in or _default_schema(schema)) != schema:
        return False
    return name in _tables() or _PARTITION.fullmatch(name) is not None


def _default_schema(unknown: str) -> str:
    """The schema of tables that Alembic names without one; `unknown` outside of Alembic's environment."""
    running = in_environment()
    return (running.dialect.default_schema_name if running else None) or unknown


@cache
def _tables() -> frozenset[str]:
    files = [*(resource("sql") / "tables").glob("*.sql"), resource("sql") / "types.sql"]
    return frozenset({VERSION_TABLE}.union(*(_CREATED.findall(file.read_text(encoding="utf-8")) for file in files)))
