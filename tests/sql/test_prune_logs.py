"""prune_logs: log lines go with their job."""

from collections.abc import Callable

import pytest

from . import log_guarantees as guarantees
from .conftest import Sql
from .plan import plans_of


@pytest.mark.parametrize(
    "guarantee",
    [guarantees.lines_go_with_their_job, guarantees.every_job_is_looked_at_in_turn, guarantees.a_call_deletes_so_many_lines],
    ids=lambda guarantee: guarantee.__name__,
)
def test_what_holds(rolled_back_sql: Sql, guarantee: Callable[[Sql], None]) -> None:
    guarantee(rolled_back_sql)


def test_a_job_that_comes_back_from_the_dead_letters_has_its_lines(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id, token = sql.running()
    guarantees.add(sql, id, token, guarantees.lines(1))
    sql.finish(token, {"id": id, "state": "failed", "final": True})
    sql.value("select retry(%s)", id)
    assert sql.value("select prune_logs()") is False
    assert guarantees.log_of(sql, id) == [(1, "line 1")]


def test_an_install_without_lines_pays_one_look_at_the_size_of_the_table(another_sql: Callable[[], Sql]) -> None:
    sql = another_sql()
    assert "job_log_pkey" not in plans_of(sql, "select prune_logs()").indexes(sql.connection)
