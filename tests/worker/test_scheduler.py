"""Schedules fire in real workers: any of them, each tick once, whatever a worker computes; none holds up another."""

import asyncio
import json
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from pgqueue import JobContext, PgQueue, Schedule
from pgqueue.database.calls.schedules import DueSchedule
from pgqueue.errors import Disconnected
from pgqueue.schedules.ticks import Ticks
from pgqueue.worker import maintenance, scheduler
from pgqueue.worker.scheduler import Scheduler
from pgqueue.worker.signals import Alarm
from tests.looking import Look
from tests.waiting import auntil
from tests.worker.conftest import working

FIRED = "select count(*) from schedule_ticks where outcome = 'fired' and schedule = %s"
AN_HOUR_AGO = "update schedule set after_at = after_at - interval '1 h', next_tick = null where name = %s"
OFTEN = 0.02  # seconds between two ticks, more often than a schedule may have them


@pytest.fixture
def noop(app: PgQueue) -> Any:
    """A task that does nothing."""

    @app.task
    async def noop() -> None: ...

    return noop


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every schedule has a tick every 20 ms."""
    monkeypatch.setattr(scheduler, "_ticks", lambda name, definition: Ticks(every=OFTEN))


@pytest.fixture
def no_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing happens because it was looked for in vain often enough: a minute passes before the next look."""
    monkeypatch.setattr(maintenance, "BACKSTOP", 60.0)
    monkeypatch.setattr(scheduler, "LOOK_EVERY", 60.0)


def set_schedule(look: Look, name: str = "often", **changes: Any) -> None:
    """Make one of a job each second, or change one."""
    if not look.value("select count(*) from schedules where name = %s", name):
        changes = {**({} if "cron" in changes else {"every": 1}), "job": {"task": "noop"}, **changes}
    look.value("select set_schedule(%s, %s)", name, json.dumps(changes))


def fired(look: Look, name: str = "often") -> int:
    """How many of its ticks have fired."""
    return int(look.value(FIRED, name))


def lines(caplog: pytest.LogCaptureFixture, level: int = logging.INFO) -> list[str]:
    """What the log says about schedules."""
    return [record.getMessage() for record in caplog.records if record.levelno == level and "schedule" in record.getMessage()]


async def test_a_schedule_of_code_runs_its_task_and_tells_it_the_tick(app: PgQueue, look: Look) -> None:
    """T12."""
    told: list[tuple[str | None, datetime | None, int]] = []

    @app.task(cron="* * * * * *")
    async def each_second(ctx: JobContext) -> None:
        told.append((ctx.schedule, ctx.scheduled_for, ctx.stands_for))

    async with working(app):
        await auntil(lambda: len(told) >= 2, "two runs")

    ticks = [row["tick"] for row in look.rows("select tick from schedule_ticks where outcome = 'fired' order by tick")]
    first, second = told[:2]
    assert [(name, at) for name, at, _ in (first, second)] == [("each_second", ticks[0]), ("each_second", ticks[1])]
    assert ticks[0].microsecond == 0
    assert look.value("select bool_and(fired_at >= tick) from schedule_ticks")


async def test_each_job_is_one_line_of_the_log(app: PgQueue, look: Look, noop: Any, caplog: pytest.LogCaptureFixture) -> None:
    """T19: of two workers one says it, and the other one nothing."""
    caplog.set_level(logging.INFO, "pgqueue.worker")
    set_schedule(look, misfire="catch_up", spacing=0)  # a machine that stands still for a second makes two jobs, not one for both

    async with working(app), working(app):
        await auntil(lambda: fired(look) >= 2, "two ticks")
        look.value("select pause_schedule('often')")
        await auntil(lambda: len(lines(caplog)) >= fired(look), "their lines")

    rows = look.rows("select tick, job_id from schedule_ticks order by tick")
    assert lines(caplog) == [f"schedule often: job {row['job_id']} for {row['tick'].astimezone(UTC).isoformat()}" for row in rows]


@pytest.mark.usefixtures("no_polls")
async def test_workers_hear_of_changes_without_a_poll(app: PgQueue, look: Look, noop: Any) -> None:
    """T8: of a new schedule, a change and the end of a pause."""
    heard = "select next_tick from schedules"
    async with working(app):
        await auntil(lambda: look.value("select count(*) from worker where wake_mode = 'notify'"), "the listener")
        set_schedule(look, every=3600)
        first = await auntil(lambda: look.value(heard), "the next tick")
        set_schedule(look, every=1800, starts_at="2000-01-01T00:10:00Z")
        second = await auntil(lambda: look.value(heard), "the next tick after the change")
        look.value("select pause_schedule('often')")
        look.value("select resume_schedule('often')")
        third = await auntil(lambda: look.value(heard), "the next tick after the pause")

    assert (first.minute, second.minute in (10, 40), third) == (0, True, second)


@pytest.mark.usefixtures("no_polls")
async def test_a_worker_waits_for_the_next_tick_itself_and_for_no_poll(app: PgQueue, look: Look, noop: Any) -> None:
    set_schedule(look)

    async with working(app):
        await auntil(lambda: fired(look) >= 3, "three ticks")

    assert look.value("select max(fired_at - tick) < '30 s' from schedule_ticks")


async def test_ticks_that_were_missed_are_one_job_and_one_line(
    app: PgQueue, look: Look, noop: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "pgqueue.worker")
    set_schedule(look, every=600)
    look.value(AN_HOUR_AGO, "often")

    async with working(app):
        await auntil(lambda: lines(caplog), "the job")

    (line,) = lines(caplog)
    assert "instead of 6 ticks" in line or "instead of 7 ticks" in line
    assert look.value("select count(*) from schedule_ticks where outcome = 'coalesced'") in (5, 6)


async def test_ticks_that_make_no_job_are_warned_of(
    app: PgQueue, look: Look, noop: Any, caplog: pytest.LogCaptureFixture
) -> None:
    look.value("select set_limit('api', max_running => 1)")
    set_schedule(look, "refused", job={"task": "noop", "limits": ["api"]})
    look.value("select delete_limit('api')")
    set_schedule(look, "missed", every=600, window=0)
    look.value(AN_HOUR_AGO, "missed")

    async with working(app):
        await auntil(lambda: len(lines(caplog, logging.WARNING)) >= 2, "the warnings")

    warned = "\n".join(lines(caplog, logging.WARNING))
    assert "schedule refused: no job for 20" in warned
    assert "there is no such limit" in warned
    assert "ticks were missed and make no job" in warned


async def test_a_schedule_that_cannot_be_computed_is_on_record_and_holds_up_no_other(
    app: PgQueue, look: Look, noop: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """T17: an expression that only workers can read, and any error of the library."""
    set_schedule(look, "broken", cron=["61 * * * *"])
    set_schedule(look)

    async with working(app):
        await auntil(lambda: fired(look) >= 2, "the other one")
        look.value("update schedule set look_at = clock_timestamp() where name = 'broken'")
        await auntil(lambda: fired(look) >= 4, "the other one")

    (warned,) = lines(caplog, logging.WARNING)
    assert "schedule broken: its next tick cannot be computed: cron: '61 * * * *'" in warned
    assert "cron: '61 * * * *'" in str(look.value("select error from schedules where name = 'broken'"))


async def test_a_stored_tick_fires_although_the_next_one_cannot_be_computed(app: PgQueue, look: Look, noop: Any) -> None:
    set_schedule(look, cron=["61 * * * *"])
    look.value("update schedule set next_tick = after_at, after_at = after_at - interval '1 s'")

    async with working(app):
        await auntil(lambda: fired(look), "the tick")


async def test_declared_schedules_are_told_once_and_what_people_set_stays(
    app: PgQueue, look: Look, noop: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """T9."""
    caplog.set_level(logging.INFO, "pgqueue.worker")
    app.schedules.declare(Schedule("nightly", noop, cron="0 2 * * *", overlap="skip"))
    async with working(app):
        await auntil(lambda: look.value("select count(*) from worker"), "the first worker")
    look.value("""select set_schedule('nightly', '{"cron": ["0 5 * * *"]}')""")
    look.value("select pause_schedule('nightly')")
    async with working(app):
        await auntil(lambda: look.value("select count(*) from worker"), "the second worker")

    assert lines(caplog) == ["schedule nightly: as declared now: cron, job.task, overlap"]
    assert look.rows("select cron, enabled from schedules") == [{"cron": ["0 5 * * *"], "enabled": False}]


async def test_a_schedule_that_people_have_made_is_told_and_stays(
    app: PgQueue, look: Look, noop: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "pgqueue.worker")
    set_schedule(look, "nightly")
    app.schedules.declare(Schedule("nightly", noop, cron="0 2 * * *"))
    async with working(app):
        await auntil(lambda: lines(caplog), "the declaration")

    assert lines(caplog) == ["schedule nightly: people have made it; what the code declares applies when they have deleted it"]
    assert look.rows("select cron, declared_by from schedules") == [{"cron": None, "declared_by": "people"}]


async def test_a_declaration_that_the_database_refuses_is_an_error_of_the_log_and_the_worker_starts(
    app: PgQueue, look: Look, noop: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """What people have set may not go with what code says now: no reason for all jobs to stop."""
    look.value('select declare_schedule(\'nightly\', \'{"every": 3600, "job": {"task": "noop"}}\')')
    look.value("select set_schedule('nightly', '{\"starts_at\": \"2030-01-01T00:00Z\"}')")
    app.schedules.declare(Schedule("nightly", noop, cron="0 2 * * *", ends_at=datetime(2029, 1, 1, tzinfo=UTC)))

    async with working(app):
        job = await noop.aenqueue()
        await auntil(lambda: look.state(job.id) == "succeeded", "a job")

    (line,) = lines(caplog, logging.ERROR)
    assert "schedule nightly cannot be declared as the code has it: ends_at: '2029-01-01" in line
    await app.aclose()


async def test_a_schedule_that_another_transaction_holds_keeps_no_worker_from_starting(
    app: PgQueue, look: Look, connect: Callable[..., psycopg.Connection[Any]], noop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is declared when that has ended."""
    monkeypatch.setattr(scheduler, "LOOK_EVERY", 0.1)
    app.schedules.declare(Schedule("nightly", noop, cron="0 2 * * *"))
    look.value('select declare_schedule(\'nightly\', \'{"every": 3600, "job": {"task": "noop"}}\')')
    other = connect()

    async with working(app):
        with other.transaction():
            other.execute("select set_schedule('nightly', '{\"jitter\": 5}')")
            job = await noop.aenqueue()
            await auntil(lambda: look.state(job.id) == "succeeded", "a job")
            assert look.value("select cron from schedules") is None
        await auntil(lambda: look.value("select cron from schedules"), "the declaration")

    assert look.rows("select cron, definition->'jitter' as jitter from schedules") == [{"cron": ["0 2 * * *"], "jitter": 5}]
    await app.aclose()


async def test_schedules_that_no_code_declares_any_more_are_named_when_a_worker_starts(
    app: PgQueue, look: Look, noop: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("b", "a"):
        look.value("""select declare_schedule(%s, '{"every": 3600, "job": {"task": "noop"}}')""", name)
    app.schedules.declare(Schedule("mine", noop, cron="0 2 * * *"))

    async with working(app):
        await auntil(lambda: lines(caplog, logging.WARNING), "the warning")
        assert look.rows("select name from schedules where is_orphaned order by 1") == [{"name": "a"}, {"name": "b"}]
        assert look.value("select schedules from worker") == ["mine"]

    (line,) = lines(caplog, logging.WARNING)
    assert line.endswith("(pgqueue schedules delete): a, b")


@pytest.mark.usefixtures("often")
async def test_200_ticks_over_two_workers_that_compute_differently_fire_once_each_and_none_is_lost(
    app: PgQueue, look: Look, noop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T4: the ticks of one of them lie 7 ms later. Each tick that was ever stored as the next one has fired."""
    usual, patched = Scheduler._computed, Ticks(every=OFTEN, starts_at=datetime(2000, 1, 1, 0, 0, 0, 7000, tzinfo=UTC))
    schedulers: list[Scheduler] = []

    def computed(self: Scheduler, due: DueSchedule) -> dict[str, Any]:
        if self not in schedulers:
            schedulers.append(self)
        if self is schedulers[0]:
            return usual(self, due)
        with monkeypatch.context() as patch:
            patch.setattr(scheduler, "_ticks", lambda name, definition: patched)
            return usual(self, due)

    monkeypatch.setattr(Scheduler, "_computed", computed)
    look.rows("create table public.stored (tick timestamptz)")
    look.rows(
        """create function public.store() returns trigger language plpgsql as
           $$begin insert into public.stored values (new.next_tick); return null; end$$"""
    )
    look.rows("create trigger store after update of next_tick on schedule for each row execute function public.store()")
    set_schedule(look, misfire="catch_up", most=1000, spacing=0)

    async with working(app), working(app):
        await auntil(lambda: fired(look) >= 200 and len(schedulers) == 2, "200 ticks by two workers")
        look.value("select pause_schedule('often')")

    ticks = look.rows("select tick, job_id from schedule_ticks where outcome = 'fired'")
    made = look.rows("select terms->>'scheduled_for' as tick from job_history union all select terms->>'scheduled_for' from job")
    lost = look.rows(
        "select tick from public.stored where tick < (select max(tick) from schedule_ticks) "
        "except select tick from schedule_ticks where outcome = 'fired'"
    )
    assert lost == []
    assert len({row["job_id"] for row in ticks}) == len(ticks) >= 200
    assert sorted(row["tick"].astimezone(UTC) for row in ticks) == sorted(datetime.fromisoformat(row["tick"]) for row in made)
    assert {row["tick"].microsecond // 1000 % 20 for row in ticks} == {0, 7}, "one of the workers had no say"


class Link:
    """Answers calls from a list, and keeps their statements."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.asked = list(answers), list[tuple[str, Any]]()

    async def run(self, call: Any) -> Any:
        self.asked.append((call.statement.partition("{schema}.")[2].partition("(")[0], call.params))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def due(name: str = "often", **given: Any) -> DueSchedule:
    """A schedule of a tick each second that is due since a second."""
    at = datetime(2027, 1, 1, tzinfo=UTC)
    return DueSchedule(**{
        "name": name, "definition": '{"every": 1}', "after_at": at, "next_tick": at + timedelta(seconds=1),
        "seen_at": at + timedelta(seconds=1.5), **given,
    })  # fmt: skip


def scheduler_on(*answers: Any) -> tuple[Scheduler, Link]:
    """A scheduler without a database."""
    link = Link([], *answers)
    return Scheduler(link, Alarm(), {}), link  # type: ignore[arg-type]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look for nothing is over at once."""
    monkeypatch.setattr(scheduler, "LOOK_EVERY", 0.001)


@pytest.mark.usefixtures("at_once")
async def test_an_install_without_schedules_is_asked_for_none() -> None:
    it, link = scheduler_on()
    it.note(None)

    await it.look()
    await it.look()

    assert link.asked == []


@pytest.mark.usefixtures("at_once")
async def test_where_there_are_schedules_a_worker_shows_that_it_looks_although_none_is_due() -> None:
    """T18."""
    it, link = scheduler_on([], [])
    it.note(False)

    await it.look()
    await it.look()

    assert [name for name, _ in link.asked] == ["orphaned_schedules", "due_schedules", "due_schedules"]


async def test_full_batches_follow_each_other_and_a_short_one_is_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "BATCH", 2)
    it, link = scheduler_on([due("a"), due("b")], [], [due("c")], [])
    it.note(True)

    await it.look()

    assert [name for name, _ in link.asked[1:]] == ["due_schedules", "fire_schedules"] * 2
    (fires,) = link.asked[2][1]
    first = json.loads(fires)[0]
    assert first == {
        "name": "a", "after_at": "2027-01-01T00:00:00+00:00", "next_tick": "2027-01-01T00:00:01+00:00",
        "ticks": ["2027-01-01T00:00:01+00:00"], "older": 0, "next": "2027-01-01T00:00:02+00:00",
    }  # fmt: skip


async def test_schedules_that_others_hold_are_not_asked_for_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "BATCH", 1)
    it, link = scheduler_on([due()], [], [due(seen_at=datetime(2027, 1, 2, tzinfo=UTC))], [])
    it.note(True)

    await it.look()

    assert [name for name, _ in link.asked[1:]] == ["due_schedules", "fire_schedules"] * 2
    assert link.answers == []


@pytest.mark.parametrize(("limit", "value"), [("COMPUTE_WITHIN", -1.0), ("MOST_LISTED", 1)])
async def test_arithmetic_that_takes_long_delays_what_was_computed_by_a_moment_only(
    monkeypatch: pytest.MonkeyPatch, limit: str, value: float
) -> None:
    monkeypatch.setattr(scheduler, limit, value)
    it, link = scheduler_on([due("a"), due("b")], [], [due("b")], [])
    it.note(True)

    await it.look()

    sent = [[fire["name"] for fire in json.loads(params[0])] for name, params in link.asked if name == "fire_schedules"]
    assert sent == [["a"], ["b"]]


async def test_one_that_is_on_time_does_not_wait_for_the_arithmetic_of_one_that_has_missed_ticks_for_days(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scheduler, "COMPUTE_WITHIN", -1.0)
    old, on_time = due("old"), due("on time")
    old = old._replace(after_at=old.after_at - timedelta(days=8), next_tick=on_time.after_at - timedelta(days=7))
    new = due("new")._replace(next_tick=None)
    it, link = scheduler_on([old, on_time], [], [old, new], [], [old], [])
    it.note(True)

    await it.look()

    sent = [fire["name"] for name, params in link.asked if name == "fire_schedules" for fire in json.loads(params[0])]
    assert sent == ["on time", "new", "old"]


async def test_handlers_that_fill_the_threads_of_the_event_loop_delay_no_schedule() -> None:
    it, link = scheduler_on([due()], [])
    it.note(True)
    release = threading.Event()
    blocked = [asyncio.get_running_loop().run_in_executor(None, release.wait) for _ in range(100)]

    try:
        async with asyncio.timeout(30):
            await it.look()
    finally:
        release.set()
        await asyncio.gather(*blocked)

    assert link.answers == []


async def test_an_answer_that_was_lost_is_asked_for_again() -> None:
    it, link = scheduler_on([due()], Disconnected("lost"), [due()], [])
    it.note(True)

    with pytest.raises(Disconnected):
        await it.look()
    it.note(True)
    await it.look()

    assert [name for name, _ in link.asked[1:]] == ["due_schedules", "fire_schedules"] * 2


async def test_a_stored_next_tick_rings_promote() -> None:
    it, _ = scheduler_on([due()], [])
    it.note(True)

    await it.look()

    assert it._alarm.scheduled.is_set()
