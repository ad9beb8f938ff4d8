"""tidy_lanes, a part of maintain: what says nothing any more goes, and what is still counted stays."""

from .conftest import Sql
from .limit_steps import add, claimed, finish_all, pass_time, set_limit

TIDY = "select tidy_lanes()"


def keys(sql: Sql, table: str) -> list[str]:
    """Whose rows are there."""
    return [row["key"] for row in sql.rows(f"select distinct key from {table} order by key")]


def test_a_bucket_goes_when_it_is_full_and_was_not_used_for_a_while(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_limit(sql, "slow", rate=1, per="1 h")
    set_limit(sql, "fast", rate=1000, burst=5)
    for key in ("slow", "fast"):
        add(sql, 1, key)
    add(sql, 1, fair="crew")
    claimed(sql, sql.worker())
    finish_all(sql)

    sql.rows(TIDY)
    assert keys(sql, "bucket") == ["crew", "fast", "slow"]
    pass_time(sql, 120)
    sql.rows(TIDY)
    assert keys(sql, "bucket") == ["slow"], "the token that was taken would be forgotten"
    pass_time(sql, 7200)
    sql.rows(TIDY)
    assert keys(sql, "bucket") == []


def test_a_permit_goes_when_its_jobs_are_over_and_places_in_use_stay_counted(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    for key in ("over", "busy"):
        set_limit(sql, key, max_running=1)
    add(sql, 1, "over")
    claimed(sql, worker)
    finish_all(sql)
    add(sql, 2, "busy")
    claimed(sql, worker)
    pass_time(sql, 120)

    sql.rows(TIDY)

    assert keys(sql, "permit") == ["busy"]
    assert "busy" in keys(sql, "bucket")
    add(sql, 1, "busy", fair="another")
    assert claimed(sql, worker) == []
