"""docs/settings.md: what a process and an install can be told, with defaults and bounds."""

from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from pgqueue.api.bodies.settings import SettingsOut
from pgqueue.cli import cli
from pgqueue.config import PREFIX, Settings

from .signatures import Row, said_of, table
from .sql import setting_columns

HEAD = """# Settings

Two kinds: what a **process** is told, and what holds for an **install**, whoever works with it. This page is made
from the code of both. What belongs to a task, a job, a limit, a schedule, a queue or a worker is an
[option](options.md).

## Of a process

In this order of precedence. A value that is invalid is refused with the allowed values, a name that does not exist
with those that do:

1. an argument, `PgQueue(lease=60)`, or the option of a command;
2. a variable, `PGQUEUE_LEASE=60` ([.env.example](../.env.example) lists them all; pgqueue reads no `.env` itself);
3. pyproject.toml in the current directory:

   ```toml
   [tool.pgqueue]
   schema = "jobs"
   lease = 60
   ```

4. the default.

The name of a variable is `PGQUEUE_` and the name of the setting in capitals. `app.check()` and `pgqueue doctor` find
misspelled ones.

"""
OF_INSTALL = """
A password may also stand in `~/.pgpass`. `app.settings` has what is in use. More about URLs: [connecting](connecting.md).

Other variables: `PGQUEUE_TEST_DATABASE_URL` is the server of [tests](testing.md); `PGQUEUE_API_URL` and
`PGQUEUE_API_KEY` are of [workers over HTTP](http-workers.md).

## Of an install: the table `setting`

One row, which the **owner of the schema** changes in SQL; no role may, and no command does. It holds at once, for all
processes. What maintenance removes goes within minutes, a bounded number at a time.

```sql
update pgqueue.setting set history_days = 30, dead_days = 90;
update pgqueue.setting set history_days = default, dead_days = default;
select * from pgqueue.setting;
```

"""
TAIL = """
Viewers may read it, `GET /api/v1/settings` shows it, and a value out of bounds is refused. `created_at` says when
pgqueue was installed. A queue can have its own `dead_days`, and keep no finished jobs at all: [queues](queues.md).

## Of a transaction: `pgqueue.notify`

`set local pgqueue.notify = off` lets enqueues of this transaction wake no worker, for transactions that are prepared:
see [two-phase commit](transactional-enqueue.md#two-phase-commit). Workers find the jobs with their next poll.
"""


def reference() -> str:
    """The text of the page."""
    return HEAD + _of_process() + OF_INSTALL + _of_install() + TAIL


def _of_process() -> str:
    said, schema, flags = said_of(Settings), Settings.model_json_schema()["properties"], _flags()
    rows: list[Row] = []
    for name, field in Settings.model_fields.items():
        known = "schema" if name == "schema_name" else name
        one = schema.get(name) or schema["PGQUEUE_SCHEMA"]
        default = "" if field.default is None else f"`{field.default}`"
        about = said[name].replace(" (PGQUEUE_SCHEMA)", "")
        rows.append((f"`{known}`", _values(one), default, flags.get(known, ""), about))
    return table(("setting", "value", "default", "option", ""), rows)


def _flags() -> dict[str, str]:
    """By setting, the option of commands whose help names its variable."""
    found = {}
    for command in get_command(cli).commands.values():  # type: ignore[attr-defined]
        for one in command.params:
            for name in Settings.model_fields:
                known = "schema" if name == "schema_name" else name
                if f"${PREFIX}{known.upper()}" in (getattr(one, "help", None) or ""):
                    found[known] = f"`{one.opts[0]}`"
    return found


def _values(schema: dict[str, Any]) -> str:
    return " or ".join(dict.fromkeys(_parts(schema)))


def _parts(schema: dict[str, Any]) -> Iterator[str]:
    for one in schema.get("anyOf", [schema]):
        if "enum" in one:
            yield ", ".join(f"`{value}`" for value in one["enum"])
        elif one.get("format") == "password":
            yield "URL"
        elif "minimum" in one:
            yield f"{one['minimum']:,.0f} to {one['maximum']:,.0f}"
        elif one["type"] != "null":
            yield {"string": "`80%`" if "pattern" in one else "text", "array": "list of names"}[one["type"]]


def _of_install() -> str:
    rows = [
        (
            f"`{one.name}`",
            f"{one.least:,} to {one.most:,}",
            "none" if one.default is None else f"`{one.default}`",
            SettingsOut.model_fields[one.name].description or "",
        )
        for one in setting_columns()
    ]
    return table(("setting", "value", "default", ""), rows)
