"""docs/options.md and docs/settings.md are what the code says, and what they say is true."""

import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgqueue import InvalidArgument, PgQueue, Schedule
from pgqueue.api.bodies.enqueue import JobIn
from pgqueue.config import Settings
from pgqueue.task import Task

from . import options, settings
from .signatures import arguments_of
from .sql import Column, arguments_in, setting_columns

DOCS = Path(__file__).parents[2] / "docs"
SHARED = {"--database-url", "--schema", "--json", "--show-secrets"}


@pytest.mark.parametrize(("page", "made"), [("options.md", options.reference), ("settings.md", settings.reference)])
def test_the_page_is_up_to_date(page: str, made: Any) -> None:
    assert (DOCS / page).read_text() == made(), "write it anew: python -m tests.reference"


@pytest.mark.parametrize(
    ("place", "there", "names"),
    [
        ("SQL `enqueue`", arguments_in("enqueue/enqueue"), options.IN_SQL),
        ("REST `POST /jobs`", [*JobIn.model_fields], options.IN_REST),
        ("`pgqueue enqueue`", [*(options.flags("enqueue") - SHARED)], options.IN_CLI),
    ],
)
def test_the_table_misses_nothing_that_may_stand_elsewhere(
    place: str, there: list[str], names: dict[str, tuple[str, ...]]
) -> None:
    """An option that only SQL, REST or the command line has would be seen by nobody."""
    named = options.places()[place]
    covered = {one for name in named for one in names.get(name, (name, f"--{name.replace('_', '-')}"))}
    assert set(there) - covered - options.NO_OPTIONS == set()
    assert len(there) > 5


def test_a_schedule_takes_the_options_that_the_table_says() -> None:
    app = PgQueue("postgresql://localhost/none")
    task = app.task(name="report")(lambda: None)
    values: dict[str, Any] = {
        "queue": "slow", "priority": 1, "run_at": datetime.now(UTC), "run_after": 1, "retry": 1, "result_ttl": 1, "meta": 1,
        "unique": "until_done", "connection": object(), "depends_on": 1, "run_if": "failed", "limits": ["a"], "fair": "a",
        "cost": 2, "notify": False, "timeout": 1, "soft_timeout": 1, "expires": 1, "total_timeout": 1,
    }  # fmt: skip
    taken = set()
    for name in arguments_of(Task.using):
        with suppress(InvalidArgument):
            Schedule("nightly", task.using(**{name: values[name]}).s(), cron="@daily")
            taken.add(name)
    assert taken == options.places()["schedule"].keys()


def test_each_option_says_its_default_and_what_it_means() -> None:
    rows = [line.split(" | ") for line in options.reference().splitlines() if line.startswith("| `")]
    jobs = [row for row in rows if row[0].strip("| `") in options.options_of_jobs()]
    assert len(jobs) >= 2 * len(options.options_of_jobs())
    assert not [row[0] for row in jobs if not row[1].strip()]


def test_a_job_without_options_has_the_defaults_of_the_page(app: PgQueue, connection: psycopg.Connection[Any]) -> None:
    """What the signature leaves open (None) is written in the generator by hand."""

    @app.task
    def plain() -> None: ...

    plain.enqueue()
    found = connection.execute(
        "select queue, priority, max_attempts - 1, result_ttl, meta, unique_key, lane_id, cost, "
        "terms, expires_at, run_at <= clock_timestamp() from pgqueue.job"
    ).fetchone()
    assert found == ("default", 0, 3, None, None, None, None, None, None, None, True)
    said = options.DEFAULTS
    assert [said[name] for name in ("queue", "priority", "retry", "result_ttl", "unique", "cost", "timeout", "expires")] == [
        "`default`", "0 (`medium`)", "3, exponential", "24 hours", "not unique", "1", "no limit", "never"
    ]  # fmt: skip


def test_each_setting_of_a_process_has_a_row() -> None:
    page = settings.reference()
    assert not [name for name in Settings.model_fields if f"| `{name.removesuffix('_name')}` |" not in page]


def _takes(column: Column, value: int, connection: psycopg.Connection[Any]) -> bool:
    try:
        connection.execute(f"update pgqueue.setting set {column.name} = {value}")
    except (psycopg.errors.CheckViolation, psycopg.errors.NumericValueOutOfRange):
        return False
    return True


def test_an_install_takes_each_setting_within_its_bounds(connection: psycopg.Connection[Any]) -> None:
    columns = setting_columns()
    assert len(columns) >= 10
    for column in columns:
        values = (column.least - 1, column.least, column.most, column.most + 1)
        assert [_takes(column, value, connection) for value in values] == [False, True, True, False], column.name
        connection.execute(f"update pgqueue.setting set {column.name} = default")
        assert connection.execute(f"select {column.name} from pgqueue.setting").fetchone() == (column.default,)


def test_the_statements_of_the_page_run(connection: psycopg.Connection[Any]) -> None:
    (block,) = re.findall(r"^```sql\n(.*?)^```$", settings.reference(), re.M | re.S)
    for statement in filter(str.strip, block.split(";\n")):
        connection.execute(statement)


def test_no_setting_of_an_install_is_missing(connection: psycopg.Connection[Any]) -> None:
    found = connection.execute("select attname from pg_attribute where attrelid = 'pgqueue.setting'::regclass and attnum > 0")
    assert {name for (name,) in found} - {"singleton", "created_at"} == {column.name for column in setting_columns()}
