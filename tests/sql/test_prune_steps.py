"""maintain: steps and signals are kept as long as their job, and then go in small portions."""

from collections.abc import Callable

import pytest

from . import step_guarantees as guarantees
from .conftest import Sql
from .plan import buffers_of


@pytest.mark.parametrize("guarantee", [guarantees.what_belongs_to_no_job_is_pruned, guarantees.pruning_passes_what_is_kept])
def test_steps_and_signals_are_kept_as_long_as_their_job(rolled_back_sql: Sql, guarantee: Callable[[Sql], None]) -> None:
    guarantee(rolled_back_sql)


def test_as_long_as_a_portion_finds_something_the_next_one_follows_at_once(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.rows(
        "insert into job_step select n, 'charge', null, clock_timestamp(), clock_timestamp(), 1 from generate_series(1, 25) n"
    )
    guarantees.age_steps(sql)

    assert [sql.value("select prune_steps(7, 10)") for _ in range(3)] == [True, True, False]
    assert sql.value("select count(*) from job_step") == 0


@pytest.mark.parametrize("is_old", [False, True])
def test_a_portion_of_many_reads_little(sql: Sql, is_old: bool) -> None:
    sql.rows(
        "insert into job_step select n, 'charge', null, clock_timestamp(), clock_timestamp(), 1 from generate_series(1, 50000) n"
    )
    if is_old:
        guarantees.age_steps(sql)
        sql.rows("vacuum job_step")

    assert buffers_of(sql, "select prune_steps(7, 1000)") < (40_000 if is_old else 200)
