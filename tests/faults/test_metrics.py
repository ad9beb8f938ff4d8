"""Figures of a million jobs: exact, in little time, and nobody waits for them."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.looking import Look

pytestmark = [pytest.mark.slow, pytest.mark.alone]

JOBS = 1_000_000
MOST_CPU = 2.0  # seconds of one core for a minute of so many jobs; twice that beside other tests
TICKS = 100  # of the kernel, in a second


def fill(look: Look, jobs: int, first: int, since: str, seconds: float) -> None:
    """Jobs that have ended in this time: 1 in 50 was cancelled, 1 in 53 is a dead letter, 1 in 7 had failed before."""
    columns = (
        "id, run_at, created_at, claimed_at, finished_at, elapsed, priority, attempt, max_attempts, rescues, queue, task, args"
    )
    values = f"""g, f - make_interval(secs => 0.1 - ln(1 - random())), f - interval '1 h', f - make_interval(secs => 0.1), f,
                 -0.05 * ln(1 - random()), 0, 1 + (g %% 7 = 0)::int, 4, 0, 'queue ' || g %% 10, 'task ' || g %% 40, '{{}}'
            from (select g, %(since)s::timestamptz + make_interval(secs => {seconds} * (g - %(first)s) / %(jobs)s) as f
                    from generate_series(%(first)s, %(first)s + %(jobs)s - 1) g) x"""
    given = {"since": since, "first": first, "jobs": jobs}
    state = "case when g %% 50 = 0 then 'cancelled' else 'succeeded' end::job_state"
    look.connection.execute(
        f"insert into job_history (state, {columns}) select {state}, {values} where g %% 53 <> 0".encode(), given
    )
    look.connection.execute(
        f"insert into dead_letter (reason, {columns}) select 'error', {values} where g %% 53 = 0".encode(), given
    )


def cpu(look: Look) -> float:
    """Seconds of a core that this connection has used on the server."""
    stat = Path(f"/proc/{look.connection.info.backend_pid}/stat").read_text().rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / TICKS


def roll_up(look: Look, to: Any) -> None:
    while look.value("select roll_up_to(%s)", to):
        pass


SUMS = """select queue, task, sum((state = 'succeeded')::int) as succeeded, sum((state = 'cancelled')::int) as cancelled,
                 sum((state = 'failed')::int) as failed, sum(attempt - (state <> 'failed')::int) as failed_attempts
            from (select queue, task, state, attempt from job_history union all
                  select queue, task, state, attempt from dead_letter) j group by queue, task order by 1, 2"""
DAYS = """select queue, task, sum(succeeded) as succeeded, sum(cancelled) as cancelled, sum(failed) as failed,
                 sum(failed_attempts) as failed_attempts from metric_day group by queue, task order by 1, 2"""
EXACT = """select percentile_disc(array[0.5, 0.95, 0.99]) within group (order by elapsed) as p
             from (select queue, elapsed from job_history union all select queue, elapsed from dead_letter) j
            where queue = 'queue 3'"""
SHOWN = """select array[duration_p50_ms, duration_p95_ms, duration_p99_ms] from metrics('10 days')
            where scope = 'queue' and name = 'queue 3'"""


def test_the_figures_of_a_million_jobs_are_exact(look: Look) -> None:
    midnight = look.value("select date_trunc('day', clock_timestamp(), 'UTC')")
    minute = midnight + timedelta(minutes=1)
    fill(look, 100_000, 1, midnight - timedelta(seconds=90), 150)  # over midnight
    fill(look, JOBS, 1_000_001, minute, 60)
    look.connection.execute("vacuum analyze job_history")
    roll_up(look, minute)
    began = cpu(look)
    assert look.value("select roll_up_to(%s)", minute + timedelta(minutes=1)) is False
    used = cpu(look) - began
    fill(look, 10_000, 3_000_001, midnight - timedelta(minutes=30), 3000)  # committed late

    roll_up(look, midnight + timedelta(days=2))

    assert look.rows(DAYS) == look.rows(SUMS)
    exact, shown = look.value(EXACT), look.value(SHOWN)
    assert [1000 * seconds for seconds in exact] == pytest.approx(shown, rel=0.0252)
    assert used < 2 * MOST_CPU
