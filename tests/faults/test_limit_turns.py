"""FAULTS 33 and 35: which jobs with limits wait, and for how long; those beside them do not."""

import json
import time
from collections import Counter
from collections.abc import Callable
from typing import LiteralString

import pytest

from tests.faults.audit import Findings
from tests.faults.fleet import Fleet
from tests.faults.limited import enqueue_limited
from tests.looking import Look
from tests.waiting import until

pytestmark = pytest.mark.alone

Enqueue = Callable[..., list[int]]
AT_ONCE = 0.05  # seconds from commit to start for a worker that is idle


def _saturate(look: Look, jobs: int, key: str = "full") -> None:
    """A key that allows one start an hour, and many jobs that wait for it."""
    look.value("select set_limit(%s, rate => 1, per => '1 h')", key)
    for start in range(0, jobs, 10_000):
        enqueue_limited(look, "bare", min(10_000, jobs - start), key)
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
    limited = enqueue_limited(look, "slow", 12, "key", seconds=0.3)
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
    limited = enqueue_limited(look, "noop", 10, "key")
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


def test_a_key_that_is_opened_again_wakes_workers_that_wait(fleet: Fleet, look: Look, findings: Findings) -> None:
    look.value("select set_limit('key', rate => 100000, per => '1 s', burst => 100000)")
    fleet.start(concurrency=10)
    fleet.listening(1)
    waits = []
    for _ in range(8):
        look.value("select park('key', clock_timestamp() + interval '1 h')")
        (job,) = enqueue_limited(look, "noop", 1, "key")
        until(lambda: look.value("select count(*) from turn where key = 'key' and lane_id is not null"), "it is parked")
        time.sleep(0.1)  # the looks that follow the wake-up are over
        opened = look.value("select clock_timestamp() from unpark('key')")
        until(lambda job=job: look.state(job) == "succeeded", "the job")  # type: ignore[misc]
        waits.append((look.job(job)["claimed_at"] - opened).total_seconds())
    assert sorted(waits)[2] < AT_ONCE, waits  # the fastest: the machine may be busy


def test_a_key_is_parked_by_a_job_that_met_somebody_else_s_limit_and_opens_in_time(
    fleet: Fleet, look: Look, findings: Findings
) -> None:
    """Here the outcome is handed in by SQL, as other languages do."""
    look.value("select set_limit('key', rate => 100000, per => '1 s', burst => 100000)")
    first, *rest = enqueue_limited(look, "noop", 10, "key")
    look.value("select register_worker('00000000-0000-0000-0000-000000000001', 'w', 'host', 1, '0', '{default}', 1, '1 h')")
    token = "00000000-0000-0000-0000-000000000002"
    look.rows("select id from claim('00000000-0000-0000-0000-000000000001', %s, '{default}', 1)", token)
    outcome = [{"id": first, "token": token, "state": "rate_limited", "delay": 1.0}]
    fleet.start(concurrency=10)
    fleet.listening(1)
    until(lambda: look.count("succeeded") == 9, "the others")
    later = enqueue_limited(look, "noop", 5, "key")
    until(lambda: look.live() == 1, "they are not parked")
    look.rows("select * from finish(%s)", json.dumps(outcome))
    opens = look.value("select until from parking where key = 'key'")
    behind = enqueue_limited(look, "noop", 5, "key")
    until(lambda: look.live() == 0, "the end of all")
    findings.assert_all_done([first, *rest, *later, *behind])
    assert look.job(first)["attempt"] == 1, "the run that met the limit does not count"
    claims = [look.job(id)["claimed_at"] for id in (first, *behind)]
    assert min(claims) >= opens
    assert (max(claims) - opens).total_seconds() < 0.5
    order = look.rows("select job_id from audit.run order by started_at offset 14 limit 1")
    assert order == [{"job_id": first}], "it lost its place"
