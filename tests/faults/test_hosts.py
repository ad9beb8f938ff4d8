"""Three hosts: the database, and two with an agent each. One is cut off while it works."""

import time
from collections.abc import Callable, Iterator

import pytest

from tests.cli.conftest import Process
from tests.faults.audit import Findings
from tests.faults.hosts import Hosts, why_not
from tests.looking import Look
from tests.pools.agents import LEASE, Pool, is_running
from tests.waiting import until

BY_HOST = (
    "select a.host, count(*) from pool_slot s join agent a on a.id = s.agent_id where s.leaving is null group by 1 order by 1"
)

WORKING = "select count(distinct w.host) from job j join worker w on w.id = j.worker_id where j.state = 'running'"


def _by_host(look: Look) -> dict[str, int]:
    return {row["host"]: row["count"] for row in look.rows(BY_HOST)}


def _workers_of(look: Look, host: str) -> set[int]:
    return {row["pid"] for row in look.rows("select pid from worker where host = %s", host)}


@pytest.fixture
def hosts(database_url: str, pool: Pool) -> Iterator[Hosts]:
    """Hosts a and b, if the kernel allows; agents on them end before they do."""
    if (reason := why_not()) is not None:
        pytest.skip(reason)
    with Hosts(database_url, ["a", "b"]) as hosts:
        yield hosts
        pool.end()


def test_a_host_that_is_cut_off_fences_itself_and_comes_back_clean(
    hosts: Hosts, pool: Pool, look: Look, findings: Findings, enqueue: Callable[..., list[int]]
) -> None:
    pool.make(4, app="tests.faults.tasks:app", concurrency=5)
    agents = {host: _start(pool, hosts, host) for host in ("a", "b")}
    until(lambda: len(pool.served()) == 4 and _by_host(look) == {"a": 2, "b": 2}, "two workers on each host", 60)
    ids = enqueue("slow", 300, seconds=0.2, options={"retry": 100})
    until(lambda: look.value(WORKING) == 2, "both work")
    before, agent_a = _workers_of(look, "a"), look.value("select id from agent where host = 'a'")

    hosts.cut_off("a")
    cut = time.monotonic()

    agents["a"].says("it begins anew without slots")
    agents["a"].says("draining: nothing more is claimed")
    until(lambda: _by_host(look) == {"b": 4}, "the other one has all slots")
    until(lambda: len(pool.served()) == 4 and not set(pool.served().values()) & before, "the number is made up")
    print(f"made up {time.monotonic() - cut:.2f} s after the cut, with a lease of {LEASE} s")
    until(lambda: look.live() == 0, "the other one finishes everything", 60)

    hosts.join("a")

    until(lambda: look.value("select id from agent where host = 'a'") not in (None, agent_a), "it is back")
    until(lambda: not any(is_running(pid) for pid in before), "what it ran before has ended")
    until(lambda: _by_host(look) == {"a": 2, "b": 2} and len(pool.served()) == 4, "slots have moved to it, one by one", 90)
    findings.assert_all_done(ids)
    findings.assert_a_token_for_each_run()
    assert pool.events().count("moved") >= 2


def _start(pool: Pool, hosts: Hosts, host: str) -> Process:
    return pool.agent(4, url=hosts.url, inside=tuple(hosts.inside(host)))
