"""`--schemas`: which installs of a database are meant."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Annotated

import typer

from ..app import PgQueue
from ..config import connection_url, load_settings
from ..database.bridge import run_on_own
from ..database.calls import install as calls
from ..database.connection import open_connection
from ..errors import ConfigurationError

Schemas = Annotated[
    str | None,
    typer.Option(
        metavar="LIST",
        help="Serve several installs of the database: a,b or a pattern such as 'tenant_*', which means those that are there now.",
    ),
]
MOST = 1000
_PATTERN = frozenset("*?[")
MOST_NAMES = 20  # in an error message


def chosen(schemas: str, schema: str | None, app: PgQueue) -> list[str]:
    """The schemas that `--schemas` names, each once; the database is asked only for patterns.

    Args:
        schemas: the text of the option.
        schema: that of `--schema`, which must not be there too.
        app: where the database is.

    Raises:
        ConfigurationError: a name is missing or not valid, a pattern fits no install, or there are too many.
        DatabaseNotConfigured: there is a pattern, and no database URL.
    """
    if schema is not None:
        raise ConfigurationError(f"schema: {schema!r} is not valid together with --schemas; name all of them in --schemas")
    parts = [part.strip() for part in schemas.split(",")]
    if not all(parts):
        raise ConfigurationError(f"schemas: {schemas[:200]!r} is not valid; give names or patterns, such as a,b or 'tenant_*'")
    there = _installs(app) if any(_PATTERN.intersection(part) for part in parts) else []
    found = list(dict.fromkeys(name for part in parts for name in _meant(part, there)))
    if len(found) > MOST:
        raise ConfigurationError(f"schemas: {schemas[:200]!r} names {len(found)} installs; use at most {MOST}")
    return found


def _meant(part: str, there: Sequence[str]) -> list[str]:
    if not _PATTERN.intersection(part):
        load_settings(schema_name=part)  # a name that is not valid is refused here
        return [part]
    if found := [name for name in there if fnmatchcase(name, part)]:
        return found
    names = ", ".join(there[:MOST_NAMES]) or "none"
    raise ConfigurationError(f"schemas: {part!r} fits no install of the database; there are: {names}")


def _installs(app: PgQueue) -> list[str]:
    with open_connection(connection_url(app.settings), "pgqueue command") as connection:
        return app.database.run_on(run_on_own, connection, calls.installs())
