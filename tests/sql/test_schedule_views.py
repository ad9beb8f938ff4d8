"""The views schedules and schedule_ticks, and how long ticks are kept."""

import json
import uuid

from .conftest import Sql
from .schedule_steps import NAME, fire, fire_due, make_due, missed, now, outcomes, row, seen, set_schedule

DECLARE = "select declare_schedule(%s, %s)"
CODE = json.dumps({"every": 60, "job": {"task": "noop"}})


def a_worker_that_declares(sql: Sql, *names: str) -> uuid.UUID:
    """A registered worker."""
    id = uuid.uuid4()
    sql.value("select register_worker(%s, 'w', 'host', 1, '0', '{default}', 10, '30 s', %s)", id, list(names))
    return id


def view(sql: Sql, name: str = NAME) -> dict[str, object]:
    """Its row in the view."""
    (found,) = sql.rows("select * from schedules where name = %s", name)
    return found


def test_it_shows_what_was_set_with_the_defaults(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql, cron=["0 2 * * *", "30 4 * * *"], job={"task": "report"})
    set_schedule(sql, "often", every=90, timezone="Asia/Tokyo", overlap="skip", misfire="skip")

    one, two = view(sql), view(sql, "often")

    shown = ("task", "cron", "every", "timezone", "overlap", "misfire", "enabled", "declared_by")
    assert [one[name] for name in shown] == [
        "report", ["0 2 * * *", "30 4 * * *"], None, "UTC", "allow", "coalesce", True, "people"
    ]  # fmt: skip
    assert [two[name] for name in shown] == ["noop", None, 90, "Asia/Tokyo", "skip", "skip", True, "people"]
    assert (one["next_tick"], one["last_tick"], one["misfires"], one["looked_at"]) == (None, None, 0, None)


def test_it_shows_what_became_of_the_last_tick(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql, overlap="skip")
    (first,) = fire_due(sql, ago=10)
    (second,) = fire_due(sql)
    sql.rows("select * from due_schedules()")

    shown = view(sql)

    assert (shown["last_tick"], shown["last_outcome"], shown["last_reason"]) == (second["tick"], "skipped", "overlap")
    assert shown["last_job_id"] == first["job_id"]
    assert shown["looked_at"] is not None


def test_missed_ticks_of_the_last_seven_days_are_counted(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql)
    fire(sql, seen(sql, ticks=missed(sql, 30, 20, 10)))
    sql.value("select pause_schedule(%s)", NAME)

    counted = view(sql)["misfires"]
    sql.rows("update schedule_tick set fired_at = fired_at - interval '8 days'")

    assert (counted, view(sql)["misfires"]) == (2, 0)


def test_a_schedule_that_code_declares_no_more_is_orphaned(rolled_back_sql: Sql) -> None:
    """T9."""
    sql = rolled_back_sql
    sql.value(DECLARE, "mine", CODE)
    set_schedule(sql, "by_people")
    states = [view(sql, "mine")["is_orphaned"]]
    other = a_worker_that_declares(sql)
    states.append(view(sql, "mine")["is_orphaned"])
    mine = a_worker_that_declares(sql, "yours", "mine")
    states.append(view(sql, "mine")["is_orphaned"])
    sql.lose(mine)
    states.append(view(sql, "mine")["is_orphaned"])

    assert states == [False, True, False, True], "without any worker nothing is known"
    assert (view(sql, "mine")["declared_by"], view(sql, "by_people")["is_orphaned"]) == ("code", False)
    assert sql.rows("select * from orphaned_schedules()") == [{"orphaned_schedules": "mine"}]
    sql.value("select retire_worker(%s)", other)


def test_the_names_that_workers_declare_are_hashed_once_and_not_compared_for_each_schedule(rolled_back_sql: Sql) -> None:
    plan = [str(line) for one in rolled_back_sql.rows("explain select * from schedules") for line in one.values()]
    asked = [str(line) for one in rolled_back_sql.rows("explain select name from schedules where is_orphaned")
             for line in one.values()]  # fmt: skip

    assert sum("Seq Scan on worker" in line for line in plan) == 1
    assert any("hashed SubPlan" in line for line in asked)


def test_ticks_are_pruned_with_the_history_by_when_they_were_decided(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql)
    sql.value("select backfill_schedule(%s, %s)", NAME, [now(sql).replace(year=2020)])
    for days in (9, 8, 6):
        fire_due(sql, ago=days)
        sql.rows("update schedule_tick set fired_at = fired_at - make_interval(days => %s) where reason is null "
                 "and fired_at > clock_timestamp() - interval '1 d'", days)  # fmt: skip

    more = [sql.value("select prune(7, 1)") for _ in range(3)]

    assert more == [True, True, False]
    assert outcomes(sql) == [("fired", "backfill", 1), ("fired", None, 1)]
    assert row(sql)["last_outcome"] == "fired"


def test_a_clock_that_was_set_back_delays_no_look_that_was_counted_from_it(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    for name in ("waits", "error", "planned"):
        set_schedule(sql, name, overlap="buffer_one")
        fire_due(sql, name)
    fire_due(sql, "waits", ago=0.5)
    make_due(sql, "error", ago=0.5)
    fire(sql, seen(sql, "error", next=None, error="unknown zone"))
    sql.rows("update schedule set look_at = look_at + interval '1 h', next_tick = next_tick + interval '1 h'")
    sql.rows("update clock set seen_at = clock_timestamp() + interval '1 h'")

    sql.value("select mark_lost()")

    looks = {one["name"]: one["soon"] for one in sql.rows("select name, look_at <= clock_timestamp() as soon from schedule")}
    assert looks == {"waits": True, "error": True, "planned": False}
