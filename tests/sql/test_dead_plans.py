"""Among many dead letters, one, a group, the latest or too many are found without a look at all of them."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.postgres import new_database

from .conftest import Sql
from .plan import buffers_of

ROWS = 20_000
FILL = """
    insert into dead_letter (error_type, fingerprint, finished_at, reason, id, run_at, created_at, priority, attempt,
                             max_attempts, rescues, queue, task, args, errors)
    select 'E' || n % 10, to_char(n % 1000, 'FM0000000000000000'), at - make_interval(secs => n), 'error', n, at, at, 0, 1,
           1, 0, 'q' || n % 5, 'noop', '{}', jsonb_build_array(jsonb_build_object('type', 'E', 'message', repeat('x', 500)))
      from generate_series(1, %s) n, lateral (select clock_timestamp() as at) a
"""


@pytest.fixture(scope="module", params=["empty", "analyzed"])
def full(request: pytest.FixtureRequest, server_url: str, template: str) -> Iterator[Sql]:
    """A database with many dead letters, with the statistics of an empty table or with its own."""
    with (
        new_database(server_url, template) as url,
        psycopg.connect(url, options="-c search_path=pgqueue", autocommit=True) as connection,
    ):
        sql = Sql(connection)
        sql.rows("alter table dead_letter set (autovacuum_enabled = false)")
        sql.rows("analyze")
        connection.execute(FILL.replace("%s", str(ROWS)))
        sql.rows("update setting set dead_days = 30")
        sql.rows("insert into dead_alert values ('a', true, clock_timestamp())")  # told already: else it counts them all once
        if request.param == "analyzed":
            sql.rows("vacuum analyze dead_letter")
        yield sql


# The call, and the most buffers that it may touch; those of all dead letters are some 1,700.
CALLS: dict[str, tuple[str, int, tuple[Any, ...]]] = {
    "discard": ("select discard(7)", 60, ()),
    "retry": ("select id from retry(8)", 150, ()),
    "a group": ("select * from dead_groups(%s)", 300, ('{"fingerprint": "0000000000000007"}',)),
    "a group by the hour": ("select * from dead_groups(%s, span => '1 day')", 300, ('{"fingerprint": "0000000000000007"}',)),
    "the hosts of a group": ("select * from dead_stats('host', %s)", 300, ('{"fingerprint": "0000000000000007"}',)),
    "the kinds of the latest": ("select * from dead_groups(span => '1 day', look => 500)", 400, ()),
    "the tasks of the latest": ("select * from dead_stats('task', look => 500)", 300, ()),
    "the last minutes": ("select * from dead_stats('task', %s)", 300, ('{"finished_after": "-2 minutes"}',)),
    "an alert": ("select crossed_dead_letters('a', 100, 80)", 700, ()),
    "an alert of late": (
        "select crossed_dead_letters('b', 9999, 80, %s)",
        300,
        ('{"finished_after": "-2 minutes"}',),
    ),
    "maintenance": ("select prune_dead(1000)", 100, ()),
}


@pytest.mark.parametrize("what", CALLS)
def test_it_is_found_by_an_index(full: Sql, what: str) -> None:
    query, most, params = CALLS[what]

    touched = buffers_of(full, query, *params)

    assert touched <= most
