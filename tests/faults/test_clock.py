"""A worker whose wall clock is off, or steps: times are the database's, durations are counted on a clock that nobody sets."""

import ast
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import LiteralString

import pytest

import pgqueue
from tests.faults.audit import Findings
from tests.faults.fleet import Fleet
from tests.looking import Look
from tests.waiting import until

HOUR = 3600
# Where this machine's clock may be asked: a datetime that a handler has made on it, what needs no database, and what a caller
# means by "the next 09:00" or "the next five ticks"; and what compares the clocks. What is due is decided by the database alone.
MAY_ASK = {
    "outcomes.py", "_checks.py", "testing/_inline.py", "schedules/at.py", "schedules/cron.py", "schedules/ranges.py",
    "doctor/situation.py", "doctor/zones.py", "doctor/preflight.py", "worker/doctor.py", "tracing/otel.py", "logs/daily.py",
    "api/health/examination.py", "dashboard/render.py", "dashboard/nouns/ages.py", "dashboard/jobs/timeline.py",
}  # fmt: skip
WALL_CLOCK = {
    "time.time",
    "time.time_ns",
    "time.CLOCK_REALTIME",
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
}


def test_nothing_asks_the_clock_of_its_own_machine_what_time_it_is() -> None:
    root = Path(pgqueue.__file__).parent
    asking = set()
    for path in root.rglob("*.py"):
        names = {ast.unparse(node) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
        if names & WALL_CLOCK:
            asking.add(path.relative_to(root).as_posix())
    assert asking == MAY_ASK


@pytest.mark.parametrize("clock", [f"{HOUR}", f"-{HOUR}", f"0,{HOUR}"], ids=["an hour fast", "an hour slow", "steps by an hour"])
def test_a_worker_whose_clock_is_off_keeps_its_lease_and_all_times(
    fleet: Fleet,
    look: Look,
    findings: Findings,
    enqueue: Callable[..., list[int]],
    monkeypatch: pytest.MonkeyPatch,
    clock: str,
) -> None:
    monkeypatch.setenv("PGQUEUE_TEST_CLOCK", clock)
    off = fleet.start(module="tests.faults.run_off_clock", name="off")
    fleet.listening(1)
    fleet.start(name="right")  # would take the jobs of a worker that misses its lease
    fleet.listening(2)
    long = enqueue("slow", 4, seconds=3.5)  # more than three leases
    later = enqueue("noop", 3, {"run_after": timedelta(seconds=1.5)})
    policy = '{"backoff": "fixed", "delay": 1, "jitter": false}'
    again = enqueue("fail_once", 3)
    look.rows("update job set retry = %s::jsonb where id = any (%s)", policy, again)
    look.value("select set_limit('clock', rate => 5, per => '1 s', burst => 1)")
    limited = enqueue("noop", 6, {"limits": ["clock"]})
    until(lambda: look.live() == 0, "all jobs")

    findings.assert_all_done([*long, *later, *again, *limited])
    assert look.rows("select * from rescue_log") == []
    assert "lost its lease" not in fleet.log(off)
    assert look.value("select count(*) from worker") == 2
    # Not before they were due; a start that is an hour late would not have come above.
    early = [seconds for seconds in _seconds(look, AFTER_DUE, later) if seconds < 0]
    assert early == [], early
    gaps = _seconds(look, GAPS, again)
    assert all(seconds >= 1 for seconds in gaps), gaps
    starts = _seconds(look, CLAIMED, limited)
    assert all(after - before > 0.19 for before, after in pairwise(starts)), starts


AFTER_DUE = "select extract(epoch from started_at - run_at) from audit.run join jobs on id = job_id where id = any (%s)"
GAPS = "select extract(epoch from max(started_at) - min(started_at)) from audit.run where job_id = any (%s) group by job_id"
CLAIMED = "select extract(epoch from claimed_at) from jobs where id = any (%s) order by 1"


def _seconds(look: Look, query: LiteralString, ids: list[int]) -> list[float]:
    rows = look.connection.execute(query, (ids,)).fetchall()
    assert len(rows) == len(ids)
    return [float(row[0]) for row in rows]
