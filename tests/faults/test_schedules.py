"""FAULTS 44: each tick exactly once, whatever happens to workers and their clocks; a long job starves no schedule."""

import json
import random
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.faults.audit import Findings
from tests.faults.fleet import Fleet
from tests.looking import Look
from tests.waiting import until

HOUR = 3600
FIRED = "select count(*) from schedule_ticks where outcome = 'fired'"
MADE = """select id, terms->>'scheduled_for' as tick from job where terms ? 'schedule'
          union all select id, terms->>'scheduled_for' from job_history where terms ? 'schedule'
          union all select id, terms->>'scheduled_for' from dead_letter where terms ? 'schedule'"""


def set_schedule(look: Look, **changes: Any) -> None:
    """A schedule each second; every next tick that is stored is noted, so that a lost one is seen."""
    look.rows("create table public.stored (tick timestamptz)")
    look.rows(
        """create function public.store() returns trigger language plpgsql as
           $$begin insert into public.stored values (new.next_tick); return null; end$$"""
    )
    look.rows("create trigger store after update of next_tick on schedule for each row execute function public.store()")
    look.value("select set_schedule('often', %s)", json.dumps({"every": 1, "job": {"task": "noop"}, **changes}))


def fired(look: Look) -> int:
    """How many ticks have fired."""
    return int(look.value(FIRED))


def assert_each_tick_once(look: Look) -> None:
    """Every tick that was ever the next one, and has passed, is recorded once and has one job; and there are no other jobs."""
    lost = look.rows("select tick from public.stored where tick <= (select max(tick) from schedule_ticks) "
                     "except select tick from schedule_ticks")  # fmt: skip
    ticks = look.rows("select tick, job_id from schedule_ticks where outcome = 'fired' order by tick")
    made = [(datetime.fromisoformat(row["tick"]), row["id"]) for row in look.rows(MADE)]
    assert lost == [], "ticks that were stored as the next one and never fired"
    assert sorted(made) == [(row["tick"].astimezone(UTC), row["job_id"]) for row in ticks]
    assert look.value("select count(*) from schedule_ticks where fired_at < tick") == 0, "a tick that fired early"


def _kill_at_random(fleet: Fleet, look: Look, dice: random.Random, workers: int, kills: int, **options: Any) -> None:
    running = [fleet.start(**options) for _ in range(workers)]
    fleet.listening(workers)
    for _ in range(kills):
        before = fired(look)
        time.sleep(dice.uniform(0.05, 0.6))  # not a wait for anything: the moment of death is random
        victim = running.pop(dice.randrange(len(running)))
        victim.kill()
        victim.wait()
        running.append(fleet.start(**options))
        until(lambda before=before: fired(look) > before + 1, "ticks after the kill")  # type: ignore[misc]
    look.value("select pause_schedule('often')")
    until(lambda: look.live() == 0, "the jobs of the dead")


def test_each_tick_fires_once_while_workers_are_killed(
    fleet: Fleet, look: Look, dice: random.Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGQUEUE_TEST_EVERY", "0.05")
    set_schedule(look, misfire="catch_up", most=1000, spacing=0)

    _kill_at_random(fleet, look, dice, workers=2, kills=2, module="tests.faults.run_often")

    assert_each_tick_once(look)


@pytest.mark.slow
def test_each_second_fires_once_while_five_workers_are_killed(fleet: Fleet, look: Look, dice: random.Random) -> None:
    set_schedule(look, misfire="catch_up", most=1000, spacing=0)

    _kill_at_random(fleet, look, dice, workers=5, kills=40)

    assert_each_tick_once(look)
    (ticks,) = look.rows("select min(tick) as first, max(tick) as last, count(*) as count from schedule_ticks")
    assert ticks["count"] == (ticks["last"] - ticks["first"]).total_seconds() + 1 >= 40, "a second is missing"


@pytest.mark.parametrize("clock", [f"{HOUR}", f"-{HOUR}"], ids=["an hour fast", "an hour slow"])
def test_the_clock_of_a_worker_fires_nothing_early_late_or_twice(
    fleet: Fleet, look: Look, monkeypatch: pytest.MonkeyPatch, clock: str
) -> None:
    """T5."""
    monkeypatch.setenv("PGQUEUE_TEST_CLOCK", clock)
    set_schedule(look)
    fleet.start(module="tests.faults.run_off_clock")
    until(lambda: fired(look) >= 1, "a tick")
    fleet.start()
    until(lambda: fired(look) >= 3, "more ticks")
    look.value("select pause_schedule('often')")
    until(lambda: look.live() == 0, "the jobs")

    assert_each_tick_once(look)
    assert look.value("select max(fired_at - tick) < '30 s' from schedule_ticks")


@pytest.mark.parametrize("overlap", ["skip", "buffer_one"])
def test_a_job_of_three_intervals_starves_no_schedule_even_if_its_worker_is_killed(
    fleet: Fleet, look: Look, findings: Findings, monkeypatch: pytest.MonkeyPatch, overlap: str
) -> None:
    """T13."""
    monkeypatch.setenv("PGQUEUE_TEST_EVERY", "0.15")
    job = {"task": "brief", "args": {"seconds": 0.45}, "retries": 100}
    set_schedule(look, overlap=overlap, job=job)
    killed = fleet.start(module="tests.faults.run_often")
    until(lambda: findings.runs() >= 2, "the second job")
    fleet.start(module="tests.faults.run_often")
    killed.kill()
    before = fired(look)
    until(lambda: fired(look) >= before + 3, "jobs after the one of the dead")
    until(lambda: look.value("select count(*) from schedule_ticks") >= 20, "20 ticks")
    look.value("select pause_schedule('often')")
    until(lambda: look.live() == 0, "the jobs")

    kinds = {row["outcome"] for row in look.rows("select distinct outcome::text from schedule_ticks")}
    assert kinds <= {"fired", "skipped", "coalesced"}
    overlapping = look.rows(
        "select a.job_id from audit.run a join audit.run b on b.run > a.run and a.job_id <> b.job_id "
        "where a.ended_at > b.started_at"
    )
    assert overlapping == [], "two jobs of the schedule ran at once"
