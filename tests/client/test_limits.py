"""app.limits: limits changed and looked at while everything runs."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import inf, nan
from typing import Any

import pytest

from pgqueue import InvalidArgument, PgQueue, Task
from tests.client.manual_worker import ManualWorker
from tests.looking import Look

Welcome = Task[[int], str]
LATER = timedelta(days=1)


def test_set_makes_a_limit_and_changes_only_what_it_is_given(app: PgQueue, look: Look) -> None:
    app.limits.set("openai", rate="60/m", burst=10, max_running=3, counts="starts", weight=7, retry_blocks=True, enabled=False)
    (made,) = look.rows("select rate, per, burst, max_running, count_cost, weight, retry_blocks, enabled from limit_def")
    assert tuple(made.values()) == (60, timedelta(minutes=1), 10, 3, False, 7, True, False)
    for change, column, value in (
        ({"rate": 90}, "rate", 90),
        ({"per": "2m"}, "per", timedelta(minutes=2)),
        ({"rate": 5, "per": timedelta(seconds=1)}, "per", timedelta(seconds=1)),
        ({"burst": 20}, "burst", 20),
        ({"max_running": 0}, "max_running", None),
        ({"counts": "cost"}, "count_cost", True),
        ({"weight": 1}, "weight", 1),
        ({"retry_blocks": False}, "retry_blocks", False),
        ({"enabled": True}, "enabled", True),
        ({"rate": 0}, "rate", None),
    ):
        (before,) = look.rows("select * from limit_def")
        app.limits.set("openai", **change)
        (after,) = look.rows("select * from limit_def")
        assert after[column] == value
        also = {
            "changed_at",
            "per_second",
            *("burst" for name in change if name in ("rate", "per")),
            *("per" for rate in change if rate == "rate"),
        }
        assert {name for name in after if after[name] != before[name]} <= {*change, column, *also}


async def test_async_code_does_all_of_it_by_an_a_in_front(async_app: PgQueue, look: Look) -> None:
    limits = async_app.limits
    await limits.aset("openai", rate="60/m", burst=10)
    assert (await limits.aget("openai")).rate == 60
    assert await limits.areset("openai") == 0
    await limits.apark("openai", LATER)
    assert await limits.aunpark("openai") is True
    assert await limits.aunpark("openai") is False
    assert [one.key for one in await limits.alist()] == ["openai"]
    with pytest.raises(InvalidArgument, match="there are: openai"):
        await limits.aget("tenant")
    await limits.adelete("openai")
    assert await limits.alist() == []


def test_figures_are_live(app: PgQueue, welcome: Welcome, manual_worker: ManualWorker) -> None:
    app.limits.set("tenant", rate="10/d", burst=4, max_running=3)
    welcome.using(limits=["tenant:{user_id}"], cost=2).enqueue_many([(1,), (1,), (1,)])
    before = app.limits.get("tenant:1")
    assert (before.limit_name, before.running, before.waiting, before.tokens) == ("tenant", 0, 3, 4)
    assert len(manual_worker.claim()) == 2
    now = app.limits.get("tenant:1")
    assert (now.running, now.waiting, now.used, now.remaining) == (2, 1, 4, 6)
    assert now.tokens == pytest.approx(0, abs=0.1)
    assert now.burst_used == pytest.approx(4, abs=0.1)
    assert now.wait_seconds == pytest.approx(8640, abs=900)
    assert [one.key for one in app.limits.list()] == ["tenant", "tenant:1"]


def test_reset_fills_the_buckets_of_a_key_or_of_a_name(app: PgQueue, welcome: Welcome, manual_worker: ManualWorker) -> None:
    app.limits.set("tenant", rate="1/d")
    welcome.using(limits=["tenant:{user_id}"]).enqueue_many([(1,), (2,), (1,)])
    manual_worker.claim()
    assert app.limits.reset("tenant:1") == 1
    assert app.limits.get("tenant:1").tokens == 1
    assert (app.limits.get("tenant:2").tokens or 0) < 0.5
    assert app.limits.reset("tenant") == 2
    assert app.limits.get("tenant:2").tokens == 1


def test_a_key_that_waits_is_seen_before_any_worker_has_looked_at_it(app: PgQueue, welcome: Welcome) -> None:
    app.limits.set("tenant", rate="1/d")
    welcome.using(limits=["tenant:{user_id}"], fair="turn").enqueue(1)
    seen = {one.key: one for one in app.limits.list()}
    assert list(seen) == ["tenant", "tenant:1", "turn"]
    assert [one.waiting for one in seen.values()] == [0, 1, 1]
    assert (seen["turn"].limit_name, seen["turn"].remaining) == (None, None)


def test_a_key_that_nobody_uses_stands_as_its_limit_says(app: PgQueue, welcome: Welcome, manual_worker: ManualWorker) -> None:
    app.limits.set("tenant", rate="6/m", burst=2)
    welcome.using(limits=["tenant"]).enqueue_many([(1,), (2,), (3,)])
    manual_worker.claim()
    app.limits.park("tenant", LATER)
    unused = app.limits.get("tenant:new")
    assert (unused.key, unused.limit_name, unused.rate, unused.tokens, unused.used, unused.remaining) == (
        "tenant:new",
        "tenant",
        6,
        2,
        0,
        6,
    )
    assert (unused.running, unused.waiting, unused.burst_used, unused.wait_seconds, unused.parked_until) == (0, 0, 0, 0, None)
    app.limits.set("tenant", enabled=False)
    assert app.limits.get("tenant:new").wait_seconds is None
    app.limits.set("places", max_running=2)
    bare = app.limits.get("places:1")
    assert (bare.tokens, bare.used, bare.remaining, bare.burst_used) == (None, None, None, None)


def test_a_key_with_a_limit_of_its_own_goes_by_that(app: PgQueue) -> None:
    app.limits.set("tenant", rate=1, per=1)
    app.limits.set("tenant:42", rate=9, per=1)
    assert (app.limits.get("tenant:42").rate, app.limits.get("tenant:41").rate) == (9, 1)


def test_a_queue_is_seen_with_all_of_its_jobs(app: PgQueue, welcome: Welcome) -> None:
    app.limits.set("queue:default", rate="5/s")
    welcome.enqueue_many([(1,), (2,)])
    assert app.limits.get("queue:default").waiting == 2


def test_a_deleted_limit_is_not_there_and_the_next_job_with_it_is_refused(
    app: PgQueue, welcome: Welcome, manual_worker: ManualWorker
) -> None:
    app.limits.set("openai", rate="1/d")
    task = welcome.using(limits=["openai"])
    task.enqueue_many([(1,), (2,)])
    app.limits.delete("openai")
    assert len(manual_worker.claim()) == 2
    with pytest.raises(InvalidArgument, match="there is no such limit"):
        task.enqueue(1)


# Parking.


@pytest.mark.parametrize("until", [LATER, 86400, 86400.0, datetime.now(UTC) + LATER, (datetime.now(UTC) + LATER).astimezone()])
def test_a_parked_key_holds_its_jobs_and_no_others(
    app: PgQueue, welcome: Welcome, manual_worker: ManualWorker, until: Any
) -> None:
    app.limits.set("tenant", rate=1000, per=1)
    task = welcome.using(limits=["tenant:{user_id}"])
    task.enqueue_many([(1,), (2,)])
    app.limits.park("tenant:1", until)
    assert [job["args"] for job in manual_worker.claim()] == [{"user_id": 2}]
    parked_until = app.limits.get("tenant:1").parked_until
    assert parked_until is not None
    assert timedelta(hours=20) < parked_until - datetime.now(UTC) <= LATER
    assert app.limits.unpark("tenant:1") is True
    assert [job["args"] for job in manual_worker.claim()] == [{"user_id": 1}]


def test_a_key_that_nobody_has_used_can_be_parked_and_is_seen(
    app: PgQueue, welcome: Welcome, manual_worker: ManualWorker
) -> None:
    app.limits.set("tenant", rate=1000, per=1)
    app.limits.park("tenant:7", LATER)
    assert [one.key for one in app.limits.list() if one.parked_until] == ["tenant:7"]
    assert app.limits.get("tenant:7").parked_until is not None
    welcome.using(limits=["tenant:{user_id}"]).enqueue(7)
    assert manual_worker.claim() == []


def test_what_runs_goes_on_and_a_shorter_time_does_not_undo_a_longer_one(
    app: PgQueue, welcome: Welcome, manual_worker: ManualWorker
) -> None:
    app.limits.set("openai", rate=1000, per=1)
    welcome.using(limits=["openai"]).enqueue(1)
    (job,) = manual_worker.claim()
    app.limits.park("openai", LATER)
    app.limits.park("openai", 1)
    manual_worker.finish(job)
    status = app.limits.get("openai")
    assert status.parked_until is not None
    assert (status.wait_seconds or 0) > 200


def test_a_time_that_is_over_parks_nothing(app: PgQueue) -> None:
    app.limits.set("openai", rate=1, per=1)
    app.limits.park("openai", 0)
    app.limits.park("openai", datetime(2020, 1, 1, tzinfo=UTC))
    assert app.limits.unpark("openai") is False


# What is refused.


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rate": -1}, "rate: -1 is not valid; use a number above 0, or 0"),
        ({"rate": "-1/m"}, "rate: '-1/m' is not valid; use a number above 0, or 0"),
        ({"rate": "1/w"}, "rate: '1/w' is not valid; its unit is s, m, h or d"),
        ({"rate": "1/m", "per": 5}, "per: 5 is not valid; '1/m' contains the interval already"),
        ({"rate": 5}, "per: a rate needs one, such as per='1m'"),
        ({"per": 5}, "per: '00:00:05' is not valid; it belongs to a rate"),
        *(({"per": value}, "per: ") for value in (0, -1, nan, True, "x")),
        *(({"burst": value}, "burst: .* is not valid; use a number of 1 or more") for value in (0, nan, inf, "x", True)),
        *(({"max_running": value}, "max_running: .* use a whole number of 0 or more") for value in (-1, 1.5, "x", True, 2**31)),
        *(({"weight": value}, "weight: .* is not valid; use 1 to 1000") for value in (0, 1001, 1.5, True)),
        *(({"counts": value}, "counts: .* is not valid; use cost or starts") for value in ("jobs", True)),
        *(
            ({flag: value}, f"{flag}: .* is not valid; use True or False")
            for flag in ("enabled", "retry_blocks")
            for value in (1, "x")
        ),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(app: PgQueue, look: Look, given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument, match=f"^{message}"):
        app.limits.set("openai", **given)
    assert look.value("select count(*) from limit_def") == 0


@pytest.mark.parametrize("name", ["", "a b", "queue", "tenant:{id}", "x" * 101, 5, None, "nul:\x00"])
def test_a_name_that_is_none_is_refused(app: PgQueue, name: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"^name: "):
        app.limits.set(name, max_running=1)


def test_what_is_not_there_is_named_with_what_is(app: PgQueue) -> None:
    app.limits.set("openai", rate=1, per=1)
    app.limits.set("tenant", rate=1, per=1)
    calls: list[Callable[[], Any]] = [
        lambda: app.limits.get("gone"),
        lambda: app.limits.reset("gone"),
        lambda: app.limits.park("gone", 5),
        lambda: app.limits.unpark("gone"),
        lambda: app.limits.delete("gone"),
    ]
    for call in calls:
        with pytest.raises(
            InvalidArgument, match=r"^(key|name): 'gone' is not valid; there is no such limit; there are: openai, tenant$"
        ):
            call()


@pytest.mark.parametrize("until", [-1, timedelta(seconds=-1), nan, inf, True, "soon", None, datetime(2999, 1, 1)])
def test_a_time_of_no_use_is_refused(app: PgQueue, until: Any) -> None:
    app.limits.set("openai", rate=1, per=1)
    with pytest.raises(InvalidArgument, match=r"^until: "):
        app.limits.park("openai", until)
