"""delete_schedule: a schedule ends; its jobs and its record stay."""

from .conftest import Sql
from .schedule_steps import NAME, fire, fire_due, jobs, make_due, outcomes, seen, set_schedule


def test_it_makes_no_more_jobs_and_what_was_made_stays(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql)
    fire_due(sql)
    make_due(sql)
    late = seen(sql)

    sql.value("select delete_schedule(%s)", NAME)

    assert sql.rows("select * from schedules") == []
    assert fire(sql, late) == []
    assert len(jobs(sql)) == 1
    assert outcomes(sql) == [("fired", None, 1)]


def test_one_that_is_not_there_is_named_with_those_that_are(rolled_back_sql: Sql) -> None:
    set_schedule(rolled_back_sql, "often")

    for verb in ("delete_schedule", "pause_schedule", "resume_schedule", "trigger_schedule"):
        refused = rolled_back_sql.refusal(f"select {verb}('rare')")
        assert (refused.sqlstate, refused.diag.column_name) == ("PQ003", "name")
        assert "there is no schedule 'rare'; there are: often" in str(refused)
