"""What `alembic revision --autogenerate` and `alembic check` of an application are to leave alone."""

import re
from functools import cache
from typing import Any

from alembic import context

from .files import resource
from .steps import VERSION_TABLE

_CREATED = re.compile(r"^create (?:unlogged )?table (\w+)", re.MULTILINE)
_PARTITION = re.compile(r"job_history_\w+")


def include_object(
    object: Any, name: str | None, type_: str, reflected: bool, compare_to: Any, *, schema: str = "pgqueue"
) -> bool:
    """The `include_object` of an application's env.py: leaves out the tables of pgqueue, which it would propose to drop.

    Only tables of the database that the application's metadata does not have are left out. With a filter of the application:
    `lambda *given: include_object(*given) and mine(*given)`; for another schema: `partial(include_object, schema="jobs")`.

    Args:
        object: what Alembic looks at; also the next four are Alembic's.
        name: its name.
        type_: its kind; all but "table" stay.
        reflected: whether it comes from the database.
        compare_to: what the other side has for it.
        schema: the schema in which pgqueue is installed; it may be the one of the application.
    """
    if type_ != "table" or not reflected or compare_to is not None or name is None:
        return True
    return (object.schema or _default_schema(schema)) != schema or not _is_ours(name)


def _default_schema(unknown: str) -> str:
    """The schema of tables that Alembic names without one; `unknown` outside of Alembic's environment."""
    try:
        return context.get_context().dialect.default_schema_name or unknown
    except NameError:  # that is how Alembic says that there is none
        return unknown


def _is_ours(name: str) -> bool:
    return name in _tables() or _PARTITION.fullmatch(name) is not None


@cache
def _tables() -> frozenset[str]:
    files = [*(resource("sql") / "tables").glob("*.sql"), resource("sql") / "types.sql"]
    return frozenset({VERSION_TABLE}.union(*(_CREATED.findall(file.read_text(encoding="utf-8")) for file in files)))
