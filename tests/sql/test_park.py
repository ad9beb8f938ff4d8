"""park, and outcomes that say that a limit of somebody else was met: the key is shut until a time."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from .conftest import Sql
from .guarantees import without_waiting
from .limit_steps import add, claimed, finish_all, look_everywhere, pass_time, set_limit


def park(sql: Sql, key: str, seconds: float) -> datetime:
    """Until when."""
    until: datetime = sql.value("select clock_timestamp() + make_interval(secs => %s)", seconds)
    sql.value("select park(%s, %s)", key, until)
    return until


@pytest.mark.parametrize("limit", [{"rate": 1000}, {"max_running": 5}, {"enabled": False}])
def test_the_jobs_of_a_parked_key_wait_in_their_places_and_start_at_its_time(rolled_back_sql: Sql, limit: dict[str, Any]) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_limit(sql, "k", **limit)
    jobs = add(sql, 2, "k")
    (other,) = add(sql, 1)
    until = park(sql, "k", 60)
    before = sql.rows("select id, state, attempt, run_at from job where lane_id is not null order by id")

    assert claimed(sql, worker) == [other]
    assert sql.look_again(worker) == until
    assert sql.rows("select id, state, attempt, run_at from job where lane_id is not null order by id") == before
    (late,) = add(sql, 1, "k")
    pass_time(sql, 59)
    assert claimed(sql, worker) == []
    pass_time(sql, 1)
    assert claimed(sql, worker) == [*jobs, late]


def test_of_all_keys_of_a_job_one_that_is_parked_is_enough(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    for key in ("a", "b"):
        set_limit(sql, key, rate=1, per="1 h")
    add(sql, 1, "a", "b")
    (only_a,) = add(sql, 1, "a")
    park(sql, "b", 60)

    assert claimed(sql, worker) == [only_a], "a token of the other key was taken"


def test_what_runs_goes_on(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_limit(sql, "k", max_running=1)
    (id,) = add(sql, 1, "k")
    token, _ = sql.claim(sql.worker())
    park(sql, "k", 60)

    assert sql.finish(token, {"id": id, "state": "succeeded"}) == []


def test_a_key_of_a_name_is_parked_by_itself(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_limit(sql, "tenant", max_running=1)
    add(sql, 1, "tenant:1")
    (other,) = add(sql, 1, "tenant:2")
    park(sql, "tenant:1", 60)

    assert claimed(sql, sql.worker()) == [other]


def test_a_name_is_parked_with_all_its_keys_and_opens_with_them(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_limit(sql, "tenant", max_running=5)
    set_limit(sql, "tenant:3", max_running=5)
    jobs = [id for n in range(4) for id in add(sql, 1, f"tenant:{n}")]
    other = add(sql, 1, fair="tenants:1")
    until = park(sql, "tenant", 60)

    assert claimed(sql, worker) == other
    look_everywhere(sql)
    assert claimed(sql, worker) == []
    assert sql.look_again(worker) == until
    assert sql.value("select unpark('tenant')") is True
    assert sorted(claimed(sql, worker)) == jobs


@pytest.mark.parametrize("claims_between", [False, True])
def test_a_longer_park_is_not_shortened_and_a_shorter_one_is_made_longer(rolled_back_sql: Sql, claims_between: bool) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_limit(sql, "k", max_running=5)
    jobs = add(sql, 1, "k")
    for seconds in (10, 60, 30):
        park(sql, "k", seconds)
        if claims_between:
            assert claimed(sql, worker) == []

    for _ in range(2):
        pass_time(sql, 29)
        assert claimed(sql, worker) == []
    pass_time(sql, 2)
    assert claimed(sql, worker) == jobs


def test_a_time_that_is_past_parks_nothing(rolled_back_sql: Sql) -> None:
    set_limit(rolled_back_sql, "k", max_running=5)
    jobs = add(rolled_back_sql, 1, "k")
    park(rolled_back_sql, "k", -1)

    assert claimed(rolled_back_sql, rolled_back_sql.worker()) == jobs


def test_a_fair_key_that_has_no_limit_can_be_parked_once_it_is_in_use(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    jobs = add(sql, 2, fair="customer:1")
    assert claimed(sql, worker, 1) == jobs[:1]
    park(sql, "customer:1", 60)

    assert claimed(sql, worker) == []


def test_a_fair_key_without_a_limit_can_be_parked_before_its_first_claim(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    jobs = add(sql, 2, fair="customer:1")
    park(sql, "customer:1", 60)

    assert claimed(sql, worker) == []
    pass_time(sql, 61)
    assert claimed(sql, worker) == jobs


def test_a_fair_key_can_be_parked_and_opened_when_its_bucket_was_tidied_away(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    jobs = add(sql, 2, fair="customer:1")
    assert claimed(sql, worker, 1) == jobs[:1]
    pass_time(sql, 120)
    sql.value("select tidy_lanes()")
    assert sql.rows("select from bucket") == []
    park(sql, "customer:1", 3600)
    assert claimed(sql, worker) == []
    pass_time(sql, 120)
    sql.value("select tidy_lanes()")

    assert sql.value("select unpark('customer:1')") is True
    assert claimed(sql, worker) == jobs[1:]


@pytest.mark.one_case
@pytest.mark.parametrize(
    ("args", "field", "remedy"),
    [
        ("'nobody', now()", "key", "there is no such limit; there are: k"),
        ("null, now()", "key", "there is no such limit"),
        ("'k', null", "until", "give a time between the years 1 and 9999"),
        ("'k', 'infinity'", "until", "give a time between the years 1 and 9999"),
        ("'k', '-infinity'", "until", "give a time between the years 1 and 9999"),
    ],
)
def test_an_unknown_key_or_no_time_is_refused(rolled_back_sql: Sql, args: str, field: str, remedy: str) -> None:
    set_limit(rolled_back_sql, "k", max_running=1)

    refused = rolled_back_sql.refusal(f"select park({args})")

    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", field)
    assert remedy in str(refused)


def test_parking_waits_for_no_claim_and_no_claim_waits_for_it(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    worker, claimer, parker = sql.worker(), another_sql(), another_sql()
    set_limit(sql, "k", max_running=1)
    add(sql, 3, "k")

    with claimer.connection.transaction(), parker.connection.transaction():
        assert len(claimed(claimer, worker)) == 1
        with without_waiting(parker):
            park(parker, "k", 60)
        with without_waiting(sql):
            assert claimed(sql, worker) == []
    finish_all(sql)
    assert claimed(sql, worker) == []
    pass_time(sql, 61)
    assert len(claimed(sql, worker)) == 1


# rate_limited: a handler met the limit of somebody else.


def limited(sql: Sql, *keys: str, **outcome: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The job before and after a run that ended so, and a job of the same lane waits behind it."""
    id, _ = add(sql, 2, *keys, retries=0)
    token, _ = sql.claim(sql.worker(), 1)
    (before,) = sql.rows("select * from job where id = %s", id)
    (verdict,) = sql.finish(token, {"id": id, "state": "rate_limited", "delay": 30, **outcome})
    assert verdict["verdict"] == "scheduled"
    (after,) = sql.rows("select * from job where id = %s", id)
    assert (after["attempt"], after["errors"], after["claim_token"]) == (0, None, None)
    return before, after


def parked(sql: Sql) -> list[str]:
    """The keys that are parked."""
    return [
        row["key"] for row in sql.rows("select key from parking where until > clock_timestamp() + interval '29 s' order by key")
    ]


@pytest.mark.parametrize(
    ("keys", "outcome", "shut"),
    [
        (["api", "crew"], {"key": "crew"}, ["crew"]),
        (["api", "crew"], {"key": "api"}, ["api"]),
        (["api", "crew"], {}, ["api"]),
        (["api", "crew"], {"key": None}, ["api"]),
        (["api", "api2"], {}, ["api", "api2"]),
        (["crew"], {}, ["crew"]),
    ],
)
def test_a_rate_limited_job_stays_in_its_place_and_its_keys_wait(
    rolled_back_sql: Sql, keys: list[str], outcome: dict[str, Any], shut: list[str]
) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    for name in ("api", "api2"):
        set_limit(sql, name, rate=1000, burst=1000)
    set_limit(sql, "crew", max_running=10)

    before, after = limited(sql, *keys, **outcome)

    assert parked(sql) == shut
    assert (after["state"], after["run_at"], after["limits"]) == ("ready", before["run_at"], before["limits"])
    assert claimed(sql, worker) == []
    pass_time(sql, 31)
    assert claimed(sql, worker) == [after["id"], after["id"] + 1]


def test_a_job_without_limits_waits_by_itself(rolled_back_sql: Sql) -> None:
    before, after = limited(rolled_back_sql)

    assert after["state"] == "scheduled"
    assert after["run_at"] - before["claimed_at"] > timedelta(seconds=29)
    assert parked(rolled_back_sql) == []
    assert claimed(rolled_back_sql, rolled_back_sql.worker()) == [after["id"] + 1]


@pytest.mark.parametrize("key", ["other", "nobody", "tenant:2", "'"])
def test_a_key_that_is_not_its_own_is_not_parked_and_the_job_waits_by_itself(rolled_back_sql: Sql, key: str) -> None:
    for name in ("tenant", "other"):
        set_limit(rolled_back_sql, name, rate=1000, burst=1000)

    _, after = limited(rolled_back_sql, "tenant:1", key=key)

    assert (after["state"], parked(rolled_back_sql)) == ("scheduled", [])
    assert claimed(rolled_back_sql, rolled_back_sql.worker()) == [after["id"] + 1]


def test_the_limit_of_its_queue_is_one_of_a_jobs_own(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_limit(sql, "queue:default", rate=1000, burst=1000)

    _, after = limited(sql, key="queue:default")

    assert (after["state"], parked(sql)) == ("ready", ["queue:default"])
    assert claimed(sql, sql.worker()) == []
    pass_time(sql, 31)
    assert claimed(sql, sql.worker()) == [after["id"], after["id"] + 1]


def test_without_a_delay_it_waits_as_a_retry_would(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_limit(sql, "api", rate=1000)
    add(sql, 1, "api", retry='{"backoff": "fixed", "delay": 77, "jitter": false}')
    token, (row,) = sql.claim(sql.worker())

    sql.finish(token, {"id": row["id"], "state": "rate_limited"})

    assert (
        sql.value("select until - clock_timestamp() between interval '70 s' and interval '77 s' from parking where key = 'api'")
        is True
    )
    finish_all(sql)
