"""FAULTS 31 to 33, 35 and 36: limits over several worker processes, some of which die."""

import json
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, LiteralString

import psycopg
import pytest

from tests.faults.audit import Findings
from tests.faults.fleet import Fleet
from tests.looking import Look
from tests.waiting import PATIENCE, until

Connect = Callable[..., psycopg.Connection[Any]]
Enqueue = Callable[..., list[int]]
AT_ONCE = 0.05  # seconds from commit to start for a worker that is idle
LEASE = 1.0
CLAIMED: LiteralString = "select extract(epoch from claimed_at)::float8 as at from jobs where claimed_at is not null"


def _limited(look: Look, task: str, count: int, *limits: str, **args: Any) -> list[int]:
    """Enqueue calls of a task, with these limits."""
    query: LiteralString = "select enqueue_many(%s, jsonb_agg(%s::jsonb), limits => %s) from generate_series(1, %s)"
    ids: list[int] = look.value(query, task, json.dumps(args), list(limits), count)
    return ids


def _most_above(times: list[float], rate: float, burst: float, slack: float = 0.0) -> float:
    """By how much the starts of the worst window exceed burst + rate * (T + slack); below 0 when none does.

    Of all pairs i <= j: j - i + 1 starts in t[j] - t[i] seconds.
    """
    worst, lowest = float("-inf"), float("inf")
    for place, at in enumerate(sorted(times)):
        ahead = place - rate * at
        lowest = min(lowest, ahead)
        worst = max(worst, ahead - lowest + 1)
    return worst - burst - rate * slack


def _most_at_once(intervals: list[tuple[datetime, datetime]]) -> int:
    """How many intervals share a moment; one that ends as another begins does not meet it."""
    steps = sorted([(start, 1) for start, _ in intervals] + [(end, -1) for _, end in intervals])
    most = now = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most


def test_the_worst_window_is_found() -> None:
    """The measure of the tests below."""
    even = [n / 100 for n in range(1000)]
    assert _most_above(even, rate=100, burst=1) == pytest.approx(0)
    assert _most_above([*even, 5.0], rate=100, burst=1) == pytest.approx(1)
    assert _most_above([0.0] * 10 + [9.0] * 10, rate=1, burst=10) == pytest.approx(1)
    assert _most_above([0.0, 0.001], rate=1, burst=1, slack=1.0) < 0


def _exact(
    fleet: Fleet, look: Look, findings: Findings, jobs: int, workers: int, seconds: float, used: float, slack: float
) -> None:
    look.value("select set_limit('api', rate => 100, per => '1 s', burst => 10)")
    for _ in range(workers):
        fleet.start(concurrency=25)
    fleet.listening(workers)
    _limited(look, "noop", jobs, "api")
    time.sleep(seconds + 0.1)  # not a wait for anything: the stretch that is looked at
    claimed = [row["at"] for row in look.rows(CLAIMED)]
    started = [row["at"] for row in look.rows("select extract(epoch from started_at)::float8 as at from audit.run")]
    assert _most_above(claimed, 100, 10) <= 1e-3
    assert _most_above(started, 100, 10, slack) <= 0
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


@contextmanager
def _watching(connect: Connect, query: LiteralString) -> Iterator[list[int]]:
    """The largest answer to a query that is asked again and again."""
    connection, stop, most = connect(), threading.Event(), [0]

    def watch() -> None:
        while not stop.is_set():
            row = connection.execute(query).fetchone()
            assert row is not None
            most[0] = max(most[0], row[0])

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield most
    finally:
        stop.set()
        watcher.join()


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
    with _watching(connect, "select count(*) from job where state = 'running'") as most:
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
    assert _most_at_once(leases) == 3
    last = look.value("select coalesce(max(rescued_at), %s) from rescue_log", killed)
    after = [(start, end) for start, end in leases if start > last]
    assert len(after) > 20, "too few jobs were left to tell"
    assert _most_at_once(after) == 3, "a place was lost with its worker"
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


def _saturate(look: Look, jobs: int, key: str = "full") -> None:
    """A key that allows one start an hour, and many jobs that wait for it."""
    look.value("select set_limit(%s, rate => 1, per => '1 h')", key)
    for start in range(0, jobs, 10_000):
        _limited(look, "bare", min(10_000, jobs - start), key)
    look.connection.execute("analyze job")


def _behind(fleet: Fleet, look: Look, waiting: int, times: int, share: float) -> None:
    _saturate(look, waiting)
    look.value("select set_limit('other', rate => 1000, per => '1 s')")
    fleet.start(concurrency=10)
    fleet.listening(1)
    until(lambda: look.live() == waiting - 1, "the one start that the key allows")
    ids = []
    for _ in range(times):
        ids.append(look.value("select enqueue('noop')"))
        ids.append(look.value("select enqueue('noop', limits => '{other}')"))
        time.sleep(0.02)  # idle again
    until(lambda: look.live() == waiting - 1, "the end of the others")
    waits = look.rows(
        "select j.id %% 2 as kind, extract(epoch from r.started_at - j.created_at)::float8 as seconds "
        "from jobs j join audit.run r on r.job_id = j.id where j.id = any (%s) order by 2",
        ids,
    )
    for kind in (0, 1):
        of_kind = [row["seconds"] for row in waits if row["kind"] == kind]
        assert len(of_kind) == times
        assert of_kind[int(share * times)] < AT_ONCE, of_kind[-10:]


def test_jobs_behind_a_saturated_key_start_at_once(fleet: Fleet, look: Look, findings: Findings) -> None:
    """FAULTS 33. The faster half: the machine may be busy."""
    _behind(fleet, look, waiting=5000, times=30, share=0.5)


@pytest.mark.slow
def test_jobs_behind_50_000_of_a_saturated_key_start_at_once(fleet: Fleet, look: Look, findings: Findings) -> None:
    _behind(fleet, look, waiting=50_000, times=300, share=0.99)


def _tenants(fleet: Fleet, look: Look, jobs: int) -> None:
    query: LiteralString = (
        "select enqueue_many('serve', jsonb_agg(jsonb_build_object('tenant', t)), fair => 'tenant:{tenant}') "
        "from unnest(%s::text[]) t, generate_series(1, %s)"
    )
    for start in range(0, jobs, 10_000):
        look.value(query, ["large"], min(10_000, jobs - start))
    fleet.start(concurrency=10)
    fleet.start(concurrency=10)
    fleet.listening(2)
    until(lambda: look.count("succeeded") > 100, "the first jobs of the large tenant")
    small = [f"small {n}" for n in range(50)]
    look.value(query, small, 20)
    since = look.value("select clock_timestamp()")
    of_small: LiteralString = "select count(*) from {} where args->>'tenant' like 'small%%'"
    until(lambda: not look.value(of_small.replace("{}", "job")), "the small tenants")
    large = look.value(
        "select count(*) from jobs where args->>'tenant' = 'large' and claimed_at between %s and "
        "(select max(claimed_at) from job_history where args->>'tenant' like 'small%%')",
        since,
    )
    assert look.live() > 0, "the large tenant was done too soon to tell"
    # In turns all of them are served when each tenant has had 20; so many in all is their ideal share of the time.
    assert 1000 + large <= 2 * 51 * 20


def test_a_tenant_with_many_jobs_does_not_delay_those_with_few(fleet: Fleet, look: Look, findings: Findings) -> None:
    """FAULTS 35."""
    _tenants(fleet, look, jobs=20_000)


@pytest.mark.slow
def test_a_tenant_with_100_000_jobs_does_not_delay_those_with_few(fleet: Fleet, look: Look, findings: Findings) -> None:
    _tenants(fleet, look, jobs=100_000)


def test_tenants_are_served_by_their_weights(fleet: Fleet, look: Look, findings: Findings) -> None:
    """FAULTS 35."""
    weights = {"a": 1, "b": 2, "c": 4}
    for name, weight in weights.items():
        look.value("select set_limit(%s, weight => %s)", f"tenant:{name}", weight)
        look.value(
            "select enqueue_many('serve', jsonb_agg(jsonb_build_object('tenant', %s::text)), fair => 'tenant:{tenant}') "
            "from generate_series(1, 3000)",
            name,
        )
    fleet.start(concurrency=10)
    fleet.start(concurrency=10)
    until(lambda: look.count("succeeded") > 2500, "the first of them")
    first = look.rows("select args->>'tenant' as tenant from jobs where claimed_at is not null order by claimed_at limit 2100")
    served = Counter(row["tenant"] for row in first)
    for name, weight in weights.items():
        assert served[name] == pytest.approx(300 * weight, rel=0.2), served


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


def _warm(fleet: Fleet, look: Look, concurrency: int) -> None:
    """A worker that has run brief jobs, and fetches ahead."""
    fleet.start(concurrency=concurrency)
    fleet.listening(1)
    look.value("select enqueue_many('bare', jsonb_agg('{}'::jsonb)) from generate_series(1, 3000)")
    until(lambda: look.live() == 0, "the brief jobs")


WAITS: LiteralString = (
    "select max(extract(epoch from r.started_at - j.claimed_at))::float8 from jobs j join audit.run r on r.job_id = j.id "
    "where j.id = any (%s)"
)


def test_jobs_with_limits_are_not_fetched_ahead_those_without_are(
    fleet: Fleet, look: Look, findings: Findings, enqueue: Enqueue
) -> None:
    """Also after jobs so brief that much is fetched ahead: one that is claimed starts, and does not wait for another's end."""
    look.value("select set_limit('key', rate => 100000, per => '1 s', burst => 100000)")
    _warm(fleet, look, concurrency=4)
    limited = _limited(look, "slow", 12, "key", seconds=0.3)
    until(lambda: look.live() == 0, "the jobs with limits")
    assert look.value(WAITS, limited) < 0.2
    look.value("select enqueue_many('bare', jsonb_agg('{}'::jsonb)) from generate_series(1, 3000)")
    until(lambda: look.live() == 0, "the brief jobs")
    others = enqueue("slow", 12, seconds=0.3)
    until(lambda: look.live() == 0, "those without")
    assert look.value(WAITS, others) > 0.25, "nothing is fetched ahead at all: the test shows nothing"


@pytest.mark.parametrize("concurrency", [1, 10])
def test_jobs_with_limits_start_before_those_that_were_fetched_ahead(
    fleet: Fleet, look: Look, findings: Findings, enqueue: Enqueue, concurrency: int
) -> None:
    """And are claimed at all, while every slot is taken and much waits that has no limits."""
    look.value("select set_limit('key', rate => 100000, per => '1 s', burst => 100000)")
    fleet.start(concurrency=concurrency)
    fleet.listening(1)
    ids = enqueue("slow", 100 * concurrency, seconds=0.025)
    until(lambda: findings.runs() > 10 * concurrency, "the first of them")
    limited = _limited(look, "noop", 10, "key")
    until(lambda: look.live() == 0, "all of them")
    first = look.rows(
        "select j.claimed_at, r.started_at, (select max(started_at) from audit.run where job_id = any (%s)) as last_at "
        "from jobs j join audit.run r on r.job_id = j.id where j.id = any (%s) order by r.started_at limit 1",
        limited,
        limited,
    )[0]
    others: LiteralString = "select count(*) from audit.run where job_id = any (%s) and started_at between %s and %s"
    assert look.value(others, ids, first["last_at"], "infinity") > 50 * concurrency, "of 100, about 80 were to come"
    assert look.value(others, ids, first["claimed_at"], first["started_at"]) <= 2 * concurrency, "8 times that was fetched ahead"


def test_the_limit_of_a_queue_holds_for_all_its_jobs_over_several_workers(
    fleet: Fleet, look: Look, findings: Findings, connect: Connect, enqueue: Enqueue
) -> None:
    look.value("select set_limit('queue:default', rate => 200, per => '1 s', burst => 5, max_running => 4)")
    look.value("select set_limit('key', rate => 100000, per => '1 s', burst => 100000)")
    for _ in range(2):
        fleet.start(concurrency=10)
    fleet.listening(2)
    with _watching(connect, "select count(*) from job where state = 'running'") as most:
        ids = enqueue("slow", 100, seconds=0.01) + _limited(look, "slow", 100, "key", seconds=0.01)
        until(lambda: look.live() == 0, "all of them")
    findings.assert_all_done(ids)
    findings.assert_each_ran_once()
    claimed = [row["at"] for row in look.rows(CLAIMED)]
    assert _most_above(claimed, 200, 5) <= 1e-3
    assert most[0] == 4
    assert findings.workers() == 2


def test_a_key_that_is_opened_again_wakes_workers_that_wait(fleet: Fleet, look: Look, findings: Findings) -> None:
    look.value("select set_limit('key', rate => 100000, per => '1 s', burst => 100000)")
    fleet.start(concurrency=10)
    fleet.listening(1)
    waits = []
    for _ in range(8):
        look.value("select park('key', clock_timestamp() + interval '1 h')")
        (job,) = _limited(look, "noop", 1, "key")
        until(lambda: look.value("select count(*) from turn where key = 'key' and lane_id is not null"), "it is parked")
        time.sleep(0.1)  # the looks that follow the wake-up are over
        opened = look.value("select clock_timestamp() from unpark('key')")
        until(lambda job=job: look.state(job) == "succeeded", "the job")  # type: ignore[misc]
        waits.append((look.job(job)["claimed_at"] - opened).total_seconds())
    assert sorted(waits)[2] < AT_ONCE, waits  # the fastest: the machine may be busy


def test_a_key_is_parked_by_a_job_that_met_somebody_else_s_limit_and_opens_in_time(
    fleet: Fleet, look: Look, findings: Findings, connect: Connect
) -> None:
    """Here the outcome is handed in by SQL, as other languages do."""
    look.value("select set_limit('key', rate => 100000, per => '1 s', burst => 100000)")
    first, *rest = _limited(look, "noop", 10, "key")
    look.value("select register_worker('00000000-0000-0000-0000-000000000001', 'w', 'host', 1, '0', '{default}', 1, '1 h')")
    token = "00000000-0000-0000-0000-000000000002"
    look.rows("select id from claim('00000000-0000-0000-0000-000000000001', %s, '{default}', 1)", token)
    outcome = [{"id": first, "token": token, "state": "rate_limited", "delay": 1.0}]
    fleet.start(concurrency=10)
    fleet.listening(1)
    until(lambda: look.count("succeeded") == 9, "the others")
    later = _limited(look, "noop", 5, "key")
    until(lambda: look.live() == 1, "they are not parked")
    look.rows("select * from finish(%s)", json.dumps(outcome))
    opens = look.value("select until from parking where key = 'key'")
    behind = _limited(look, "noop", 5, "key")
    until(lambda: look.live() == 0, "the end of all")
    findings.assert_all_done([first, *rest, *later, *behind])
    assert look.job(first)["attempt"] == 1, "the run that met the limit does not count"
    claims = [look.job(id)["claimed_at"] for id in (first, *behind)]
    assert min(claims) >= opens
    assert (max(claims) - opens).total_seconds() < 0.5
    order = look.rows("select job_id from audit.run order by started_at offset 14 limit 1")
    assert order == [{"job_id": first}], "it lost its place"


def test_several_workers_that_share_one_key_lose_nothing(fleet: Fleet, look: Look, findings: Findings) -> None:
    look.value("select set_limit('key', rate => 100000, per => '1 s', burst => 100000)")
    for _ in range(3):
        fleet.start(concurrency=25)
    fleet.listening(3)
    ids = _limited(look, "noop", 2000, "key")
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
    ids = _limited(look, "slow", 5, "import", seconds=60)
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
        "select enqueue_many('noop', jsonb_agg('{}'::jsonb), limits => '{later:1}', limits_declared => true) "
        "from generate_series(1, 100)"
    )
    look.value(declared)
    look.value("""select declare_limit('later', '{"rate": 100, "per": 1, "burst": 5}')""")
    for _ in range(2):
        fleet.start(concurrency=10)
    fleet.listening(2)
    _limited(look, "noop", 20, "later:1")
    until(lambda: look.live() == 0, "all of them")
    claimed = [row["at"] for row in look.rows(CLAIMED)]
    assert len(claimed) == 120
    assert _most_above(claimed, 100, 5) <= 1e-3
