"""Minutes that pass for roll-ups."""

from typing import Any

import psycopg

_AGE = """
    update {} set created_at = created_at - span, run_at = run_at - span, claimed_at = claimed_at - span,
                  finished_at = finished_at - span
      from (select %s::interval as span) s
"""


def made_now(connection: psycopg.Connection[Any]) -> None:
    """The install is made now: nothing was live before, so it is known how many jobs were added since."""
    connection.execute("update setting set created_at = clock_timestamp()")


def pass_minutes(connection: psycopg.Connection[Any], minutes: int = 3) -> None:
    """Make all that has ended older by some minutes, and roll all of it up from the beginning; the install is new."""
    made_now(connection)
    for table in ("job_history", "dead_letter"):
        connection.execute(_AGE.format(table), [f"{minutes} minutes"])
    connection.execute("truncate metric_minute, metric_hour, metric_day, metric_total")
    connection.execute(
        "update roll_up_state set minute_at = null, check_at = null, hour_at = null, recheck_at = null, day_at = null"
    )
    while (connection.execute("select roll_up()").fetchone() or (0,))[0] < 1:
        pass
