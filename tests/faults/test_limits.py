"""FAULTS 31, 32 and 36: limits that several worker processes keep together, some of which die."""

import random
import signal
import time
from collections.abc import Callable
from datetime import datetime
from typing import LiteralString

import pytest

from tests.faults.audit import Findings
from tests.faults.fleet import Fleet
from tests.faults.limited import CLAIMED, Connect, enqueue_limited, most_above, most_at_once, watching
from tests.looking import Look
from tests.waiting import PATIENCE, until

pytestmark = pytest.mark.alone

Enqueue = Callable[..., list[int]]
LEASE = 1.0


def test_the_worst_window_is_found() -> None:
    """The measure of the tests below."""
    even = [n / 100 for n in range(1000)]
    assert most_above(even, rate=100, burst=1) == pytest.approx(0)
    assert most_above([*even, 5.0], rate=100, burst=1) == pytest.approx(1)
    assert most_above([0.0] * 10 + [9.0] * 10, rate=1, burst=10) == pytest.approx(1)
    assert most_above([0.0, 0.001], rate=1, burst=1, slack=1.0) < 0


def _exact(
    fleet: Fleet, look: Look, findings: Findings, jobs: int, workers: int, seconds: float, used: float, slack: float
) -> None:
    look.value("select set_limit('api', rate => 100, per => '1 s', burst => 10)")
    for _ in range(workers):
        fleet.start(concurrency=25)
    fleet.listening(workers)
    enqueue_limited(look, "noop", jobs, "api")
    time.sleep(seconds + 0.1)  # not a wait for anything: the stretch that is looked at
    claimed = [row["at"] for row in look.rows(CLAIMED)]
    started = [row["at"] for row in look.rows("select extract(epoch from started_at)::float8 as at from audit.run")]
    assert most_above(claimed, 100, 10) <= 1e-3
    assert most_above(started, 100, 10, slack) <= 0
    within = sum(at <= min(claimed) + seconds for at in claimed)
    allowed = 10 + 100 * seconds
    assert used * allowed <= within <= allowed + 1e-3, f"{within} of {allowed} starts"
    assert findings.workers() == workers


def test_several_workers_together_keep_a_rate_and_use_it(fleet: Fleet, look: Look, findings: Findings) -> None:
    """FAULTS 31. The machine may be busy: handlers start late, but nothing is claimed too early."""
    _exact(fleet, look, findings, jobs=1000, workers=2, seconds=3, used=0.9, slack=0.5)


@pytest.mark.slow
def test_four_workers_keep_a_rate_for_20_seconds_and_use_97_percent_of_it(fleet: Fleet, look: Look, findings: Findings) -> None:
    _exact(fleet, look, findings, jobs=5000, workers=4, seconds=20, used=0.97, slack=0.05)


def _leases(look: Look) -> list[tuple[datetime, datetime]]:
    """From the claim to the end of each run that came to one; of those cut off, from the handler's start to the rescue."""
    ended = look.rows("select claimed_at, finished_at from jobs where state = 'succeeded'")
    cut = look.rows(
        "select r.started_at, l.rescued_at from audit.run r, lateral (select min(rescued_at) as rescued_at from rescue_log "
        "where job_id = r.job_id and rescued_at > r.started_at) l where r.ended_at is null and l.rescued_at is not null"
    )
    return [*((row["claimed_at"], row["finished_at"]) for row in ended), *((row["started_at"], row["rescued_at"]) for row in cut)]


def _killing(fleet: Fleet, look: Look, connect: Connect, dice: random.Random, jobs: int, workers: int, every: float) -> None:
    look.value("select set_limit('import', max_running => 3)")
    query: LiteralString = (
        "select enqueue_many('brief', jsonb_agg(jsonb_build_object('seconds', 0.001 + 0.009 * random())), limits => '{import}') "
        "from generate_series(1, %s)"
    )
    ids = look.value(query, jobs)
    fleet_now = [fleet.start(concurrency=10, lease=LEASE) for _ in range(workers)]
    fleet.listening(workers)
    with watching(connect, "select count(*) from job where state = 'running'") as most:
        killed = None
        while killed is None or (every and look.live() > jobs / 5):
            time.sleep(every or dice.uniform(0.1, 0.3))  # not a wait for anything: the moment of death is random
            place = dice.randrange(workers)
            fleet_now[place].kill()
            killed = look.value("select clock_timestamp()")
            fleet_now[place].wait()
            fleet_now[place] = fleet.start(concurrency=10, lease=LEASE)
        until(lambda: look.live() == 0, "the end of all jobs", within=60 + jobs / 50)
    assert most[0] == 3
    leases = _leases(look)
    assert most_at_once(leases) == 3
    last = look.value("select coalesce(max(rescued_at), %s) from rescue_log", killed)
    after = [(start, end) for start, end in leases if start > last]
    assert len(after) > 20, "too few jobs were left to tell"
    assert most_at_once(after) == 3, "a place was lost with its worker"
    assert look.value("select count(*) from jobs where id = any (%s) and state = 'succeeded'", ids) == jobs


def test_places_are_never_more_than_there_are_and_none_is_lost_with_a_worker(
    fleet: Fleet, look: Look, findings: Findings, connect: Connect, dice: random.Random
) -> None:
    """FAULTS 32."""
    _killing(fleet, look, connect, dice, jobs=500, workers=2, every=0)


@pytest.mark.slow
def test_places_of_eight_workers_of_which_one_is_killed_every_5_seconds(
    fleet: Fleet, look: Look, findings: Findings, connect: Connect, dice: random.Random
) -> None:
    _killing(fleet, look, connect, dice, jobs=20_000, workers=8, every=5)


def test_a_transaction_that_stays_open_blocks_neither_who_enqueues_for_its_key_nor_who_claims(
    fleet: Fleet, look: Look, findings: Findings, connect: Connect
) -> None:
    """FAULTS 36."""
    look.value("select set_limit('key', rate => 1000, per => '1 s', max_running => 5)")
    open_one = connect(autocommit=False)
    enqueue: LiteralString = "select enqueue_many('noop', jsonb_agg('{}'::jsonb), limits => '{key}') from generate_series(1, 20)"
    open_one.execute(enqueue)  # it is the first to name the key
    fleet.start(concurrency=10)
    fleet.listening(1)
    look.value("set lock_timeout = '1 s'")
    for _ in range(3):
        look.value(enqueue)
        until(lambda: look.live() == 0, "the jobs of the others", within=5)
        open_one.execute(enqueue)
    assert findings.runs() == 60
    open_one.commit()
    until(lambda: findings.runs() == 140, "its own")
    assert look.value("select count(*) from pg_locks where not granted") == 0


def test_the_limit_of_a_queue_holds_for_all_its_jobs_over_several_workers(
    fleet: Fleet, look: Look, findings: Findings, connect: Connect, enqueue: Enqueue
) -> None:
    look.value("select set_limit('queue:default', rate => 200, per => '1 s', burst => 5, max_running => 4)")
    look.value("select set_limit('key', rate => 100000, per => '1 s', burst => 100000)")
    for _ in range(2):
        fleet.start(concurrency=3)  # one alone cannot have all places
    fleet.listening(2)
    with watching(connect, "select count(*) from job where state = 'running'") as most:
        ids = enqueue("slow", 100, seconds=0.01) + enqueue_limited(look, "slow", 100, "key", seconds=0.01)
        until(lambda: look.live() == 0, "all of them")
    findings.assert_all_done(ids)
    findings.assert_each_ran_once()
    claimed = [row["at"] for row in look.rows(CLAIMED)]
    assert most_above(claimed, 200, 5) <= 1e-3
    assert most[0] == 4
    assert findings.workers() == 2


def test_several_workers_that_share_one_key_lose_nothing(fleet: Fleet, look: Look, findings: Findings) -> None:
    look.value("select set_limit('key', rate => 100000, per => '1 s', burst => 100000)")
    for _ in range(3):
        fleet.start(concurrency=25)
    fleet.listening(3)
    ids = enqueue_limited(look, "noop", 2000, "key")
    until(lambda: look.live() == 0, "all of them")
    findings.assert_all_done(ids)
    findings.assert_each_ran_once()
    assert findings.workers() == 3
    until(lambda: not look.value("select count(*) from turn where lane_id is not null"), "the end of its lane's last turn")


def test_a_worker_that_stops_gives_back_its_jobs_with_limits_and_their_places(
    fleet: Fleet, look: Look, findings: Findings
) -> None:
    look.value("select set_limit('import', max_running => 3)")
    stopped = fleet.start(concurrency=10, grace=0.2, lease=30)  # nobody could rescue anything within this test
    fleet.listening(1)
    ids = enqueue_limited(look, "slow", 5, "import", seconds=60)
    until(lambda: findings.runs() == 3, "as many as may run")
    stopped.send_signal(signal.SIGTERM)
    assert stopped.wait(PATIENCE) == 0
    rows = [look.job(id) for id in ids]
    assert [(row["state"], row["attempt"]) for row in rows] == [("ready", 0)] * 5
    look.value("update job set args = '{\"seconds\": 0}'")
    fleet.start(concurrency=10, lease=30)
    until(lambda: look.live() == 0, "all of them, elsewhere")
    findings.assert_all_done(ids)


def test_a_limit_that_the_worker_s_code_declares_holds_for_jobs_that_were_enqueued_before(
    fleet: Fleet, look: Look, findings: Findings
) -> None:
    declared: LiteralString = (
        "select enqueue_many('noop', jsonb_agg('{}'::jsonb), limits => '{later:1}', limits_declared => '{later:1}') "
        "from generate_series(1, 100)"
    )
    look.value(declared)
    look.value("""select declare_limit('later', '{"rate": 100, "per": 1, "burst": 5}')""")
    for _ in range(2):
        fleet.start(concurrency=10)
    fleet.listening(2)
    enqueue_limited(look, "noop", 20, "later:1")
    until(lambda: look.live() == 0, "all of them")
    claimed = [row["at"] for row in look.rows(CLAIMED)]
    assert len(claimed) == 120
    assert most_above(claimed, 100, 5) <= 1e-3
