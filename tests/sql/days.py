"""Days of the server's, and the partitions of the history that belong to them."""

from datetime import UTC, date, datetime, timedelta

from tests.waiting import until

from .conftest import Sql

A_TEST = timedelta(seconds=20)  # longer than one takes in which the day must not change


def partitions(sql: Sql) -> set[str]:
    """The names of the history's partitions of a day."""
    return {
        row["relname"]
        for row in sql.rows(
            "select relname from pg_inherits join pg_class on pg_class.oid = inhrelid "
            "where inhparent = 'job_history'::regclass and relname <> 'job_history_default'"
        )
    }


def named(day: date) -> str:
    """A day's partition."""
    return f"job_history_{day:%Y%m%d}"


def today(sql: Sql, after: timedelta = timedelta()) -> date:
    """The server's day in UTC, now or after some time."""
    moment: datetime = sql.value("select clock_timestamp() + %s", after)
    return moment.astimezone(UTC).date()


def as_made_today(sql: Sql) -> None:
    """The partitions of an install that is made today; just before midnight, tomorrow is waited for.

    The template may be of yesterday.
    """
    until(lambda: today(sql) == today(sql, A_TEST), "midnight")
    week = [today(sql) + timedelta(days=ahead) for ahead in range(8)]
    there = partitions(sql)
    for name in there - set(map(named, week)):
        sql.rows(f"drop table {name}")
    for day in week:
        assert named(day) in there or sql.value("select make_partition(%s)", day)
