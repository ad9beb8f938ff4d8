"""What stays of a job that is over is listed once, in job_kept; history and dead letters have the same columns at their end."""

from typing import Any

import pytest

from .conftest import Sql

# Columns of job that mean nothing once it is over. A new column is either one of these or in job_kept.
ONLY_LIVE = {"claim_token", "lane_id", "unknown_since", "put_off_at", "progress", "holds_place", "expires_at", "deadline_at"}
ONLY_LIVE.add("args_bytes")  # bounds a claim
# What history and dead letters say in columns of their own, before those of job_kept.
OWN = ["finished_at", "state", "reason", "elapsed", "errors"]


def columns(sql: Sql, relation: str) -> list[tuple[Any, ...]]:
    """Names and types, in their order."""
    found = sql.rows(
        "select attname, format_type(atttypid, atttypmod) as type, attcollation::regcollation::text as collation "
        "from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped order by attnum",
        relation,
    )
    return [tuple(row.values()) for row in found]


def names(columns: list[tuple[Any, ...]]) -> list[str]:
    return [name for name, *_ in columns]


@pytest.mark.parametrize(
    ("relation", "own"), [("job_history", ["result_expires_at", *OWN]), ("dead_letter", ["error_type", "fingerprint", *OWN])]
)
def test_history_and_dead_letters_end_with_the_columns_of_job_kept(rolled_back_sql: Sql, relation: str, own: list[str]) -> None:
    there = columns(rolled_back_sql, relation)

    assert names(there[: len(own)]) == own
    assert there[len(own) :] == columns(rolled_back_sql, "job_kept")


def test_every_column_of_a_job_is_kept_or_means_nothing_afterwards(rolled_back_sql: Sql) -> None:
    job, kept = columns(rolled_back_sql, "job"), columns(rolled_back_sql, "job_kept")

    assert set(kept) <= set(job)
    assert set(names(job)) - set(names(kept)) == ONLY_LIVE | {"state", "errors"}


def test_what_runs_again_is_read_by_names_that_jobs_have(rolled_back_sql: Sql) -> None:
    dead = set(names(columns(rolled_back_sql, "dead_letter"))) - set(names(columns(rolled_back_sql, "job")))

    assert dead == {"error_type", "fingerprint", "finished_at", "reason", "elapsed"}


def test_a_new_job_begins_with_the_options_that_are_stored_as_they_were_given(rolled_back_sql: Sql) -> None:
    """Functions insert `stored.*` there: in another order each would be stored in the place of another."""
    stored_options = columns(rolled_back_sql, "stored_options")

    assert columns(rolled_back_sql, "new_job")[: len(stored_options)] == stored_options
