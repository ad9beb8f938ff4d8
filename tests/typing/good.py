"""What type checkers must accept."""

from datetime import UTC, datetime, timedelta
from typing import assert_type

from pgqueue import (
    Group,
    Job,
    JobContext,
    Limit,
    LimitStatus,
    RateLimited,
    Retry,
    Schedule,
    ScheduleStatus,
    Signature,
    Workflow,
    at,
    chain,
    chord,
    group,
)
from tests.typing.tasks import Order, add, app, fetch, nothing, place, send, three, with_context


def sync_code() -> None:
    assert_type(add.enqueue(1), Job[float])
    assert_type(add.enqueue(1, b=2).result(), float)
    assert_type(send.enqueue("ann", urgent=True), Job[list[str]])
    assert_type(fetch.enqueue("https://example.org").result(timeout=3), bytes)
    assert_type(place.enqueue(Order(1)), Job[Order])
    assert_type(place.enqueue(order=Order(1)).result(), Order)
    assert_type(with_context.enqueue(), Job[dict[str, int]])
    assert_type(add.enqueue_many([(1,), (2, 3)]), list[Job[float]])
    assert_type(add.enqueue_many({"a": n} for n in range(3)), list[Job[float]])


async def async_code() -> None:
    assert_type(await add.aenqueue(1), Job[float])
    assert_type(await send.aenqueue(to="ann"), Job[list[str]])
    assert_type(await (await fetch.aenqueue("https://example.org")).aresult(), bytes)
    assert_type(await nothing.aenqueue(), Job[None])
    assert_type(await send.aenqueue_many([("ann",)]), list[Job[list[str]]])


def with_options() -> None:
    assert_type(add.using(queue="mail", priority="low").enqueue(1), Job[float])
    assert_type(send.using(run_after=5).using(retry=Retry(2)).enqueue("ann"), Job[list[str]])
    place.using(run_at=datetime(2999, 1, 1, tzinfo=UTC), result_ttl=timedelta(days=1)).enqueue(Order(1))


def calls_behind_a_parent() -> None:
    assert_type(add.s(1, b=2), Signature[float])
    assert_type(add.s(), Signature[float])
    assert_type(add.s(b=2), Signature[float])
    assert_type(send.s(urgent=True), Signature[list[str]])
    assert_type(place.s(), Signature[Order])
    assert_type(nothing.s(), Signature[None])
    assert_type(place.si(Order(1)), Signature[Order])
    assert_type(three.s("b", c=b"c"), Signature[str])


def workflows() -> None:
    assert_type(chain(add.s(1), send.s()).enqueue().result(), list[str])
    assert_type(chain(add.s(1), send.s(), place.s()).enqueue().result(), Order)
    assert_type((add.s(1) | send.s() | place.si(Order(1))).enqueue(), Workflow[Order])
    assert_type(group(add.s(1), add.s(2)).enqueue().result(), list[float])
    assert_type(group(add.s(n) for n in range(3)), Group[float])
    assert_type(add.map([1, 2]).enqueue().result(), list[float])
    assert_type(add.starmap([(1, 2), {"a": 3}]).chunks(2).enqueue().result(), list[list[float]])
    assert_type(chord([add.s(1), add.s(2)], send.s()).enqueue().result(), list[str])
    assert_type((add.s(1) | group(send.s(), send.s())).enqueue().result(), list[list[str]])


async def workflows_in_async_code() -> None:
    assert_type(await (await chain(add.s(1), send.s()).aenqueue()).aresult(), list[str])


def built_workflows() -> None:
    flow = app.workflow("import", on_success=nothing.s())
    first = flow.add(add, (1,), name="first")
    flow.add(send.s() | place.s(), after=["first"], when="finished")
    flow.add(nothing, after={"first": "failed"})
    flow.add(nothing, after=first)
    print(flow.enqueue().result())


def after_other_jobs() -> None:
    job = add.enqueue(1)
    assert_type(send.using(depends_on=job).enqueue("ann"), Job[list[str]])
    send.using(depends_on=[job, nothing.enqueue(), 7], run_if="failed").enqueue("ann")


def limits() -> None:
    app.limits.declare(Limit("openai", rate=60, per="1m", burst=10))
    app.limits.declare(Limit("places", max_running=3, counts="starts", retry_blocks=True))
    app.limits.set("openai", rate="100/m", counts="cost", enabled=False)
    app.limits.park("openai", timedelta(minutes=1))
    assert_type(app.limits.get("openai"), LimitStatus)
    assert_type([one.tokens for one in app.limits.list()], list[float | None])
    assert_type(app.limits.reset("openai"), int)
    assert_type(app.limits.unpark("openai"), bool)
    limited = add.using(limits=["openai", Limit("tenant", "5/s")], fair="tenant:{a}", cost=lambda a, b=0: a + b)
    assert_type(limited.enqueue(1), Job[float])


@app.task(rate_limit="100/m", max_running=3, limits=["openai"], fair="turn:{to}", cost=5)
def limited(to: str) -> int:
    raise RateLimited(retry_after=30, key="openai")


def a_limited_task() -> None:
    assert_type(limited.enqueue("ann"), Job[int])


async def limits_in_async_code(ctx: JobContext) -> None:
    assert_type(await app.limits.aget("openai"), LimitStatus)
    assert_type(await app.limits.alist(), list[LimitStatus])
    await ctx.apark("openai", datetime(2999, 1, 1, tzinfo=UTC))


@app.task(cron=["0 2 * * *", "@hourly"], timezone="Europe/Berlin", queue="slow")
def nightly(region: str = "eu") -> int:
    return 1


def schedules() -> None:
    assert_type(nightly.enqueue("us"), Job[int])
    app.schedules.declare(Schedule("reports", add.using(priority="low").s(1), every=timedelta(hours=1), overlap="buffer_one"))
    app.schedules.declare(Schedule("nothing", nothing, cron="0 2 * * *", starts_at=datetime(2999, 1, 1, tzinfo=UTC)))
    assert_type(app.schedules.set("reports", send.s("ann"), cron="0 3 * * *", misfire="skip", reset=["jitter"]), str)
    assert_type(app.schedules.get("reports"), ScheduleStatus)
    assert_type(app.schedules.list(), list[ScheduleStatus])
    assert_type(app.schedules.pause("reports"), bool)
    assert_type(app.schedules.preview("0 2 * * *", timezone="UTC", count=3), list[datetime])
    assert_type(app.schedules.backfill("reports", datetime(2026, 1, 1, tzinfo=UTC), datetime.now(UTC), dry_run=True), int)
    assert_type(at("09:00", tz="America/New_York", days=1), datetime)


async def schedules_in_async_code() -> None:
    assert_type(await app.schedules.aset("reports", every=60), str)
    assert_type(await app.schedules.aget("reports"), ScheduleStatus)
    print((await app.schedules.atrigger("reports")).id)
