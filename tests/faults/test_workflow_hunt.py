"""FAULTS 37 and 39: everything at once to overlapping workflows, by sessions that are killed."""

import json
import random
import threading
import uuid
from collections import Counter

import pytest

from tests.faults.hunter import RAN, Connect, Hunter
from tests.looking import Look

SESSIONS = 8


def _hunt(connect: Connect, dice: random.Random, seconds: float) -> Counter[str]:
    """So long; how often each verb was done, and which errors there were."""
    stop = threading.Event()
    pids: list[int] = []
    hunters = [Hunter(connect, dice.randrange(2**32), stop, pids) for _ in range(SESSIONS)]
    for hunter in hunters:
        hunter.start()
    stop.wait(seconds)
    stop.set()
    for hunter in hunters:
        hunter.join(30)
        assert not hunter.is_alive(), "a session hangs"
    crashes = [hunter.crash for hunter in hunters if hunter.crash]
    assert not crashes, crashes
    return sum((hunter.done + hunter.errors for hunter in hunters), Counter())


def _drain(look: Look) -> None:
    """All workers are gone; a new one runs what is left. Nodes whose workers died wait for their rescue."""
    for _ in range(500):
        look.rows("update worker set state = 'lost'")
        look.value("select rescue(100000)")
        look.rows("update job set run_at = clock_timestamp() where state = 'scheduled'")
        look.value("select promoted from promote(100000)")
        worker, token = uuid.uuid4(), uuid.uuid4()
        look.value("select register_worker(%s, 'w', 'host', 1, '0', '{default}', 1, '1 h')", worker)
        claimed = look.rows("select id from claim(%s, %s, '{default}', 100000)", worker, token)
        if not claimed:
            return
        outcomes = [{"id": row["id"], "token": str(token), "state": "succeeded"} for row in claimed]
        verdicts = look.rows("select * from finish(%s)", json.dumps(outcomes))
        assert verdicts == []
        look.rows("insert into public.ran select unnest(%s::bigint[])", [row["id"] for row in claimed])
    pytest.fail("there is always something left to run")


def _check(look: Look) -> None:
    assert look.rows("select * from workflow_drift()") == []
    assert look.value("select repair_workflows()") == 0
    assert look.value("select count(*) from workflow where finished_at is null or repairs > 0") == 0
    assert look.value("select count(*) from job where queue <> 'told'") == 0, "a job was left behind"

    # Each node has ended once: as its one trace says, and with a run that counted if it succeeded.
    wrong = look.rows(
        """select n.job_id, n.state from workflow_node n
             left join (select id, array_agg(state::text) as traces from jobs group by id) j on j.id = n.job_id
            where j.traces is distinct from array[case n.state when 'skipped' then 'cancelled' else n.state::text end]
               or (n.state = 'succeeded') <> exists (select from public.ran r where r.job_id = n.job_id)"""
    )
    assert wrong == []
    # Order: where nobody retries, a child was claimed after its parents had ended, as its edges wanted it.
    early = look.rows(
        """select e.* from workflow_edge e join workflow w on w.id = e.workflow_id and w.name = 'tame'
             join workflow_node p on p.job_id = e.parent_id join jobs c on c.id = e.child_id
            where c.claimed_at < p.ended_at or c.claimed_at is not null and e.run_if not in ('finished', p.state::text)"""
    )
    assert early == []
    # Callbacks: one for each end of those that ended once.
    untold = look.rows(
        """select w.id, w.outcome, count(j.id) from workflow w
             left join job j on j.task = 'told' and (j.meta->>'workflow_id')::bigint = w.id
            where w.name = 'tame' group by 1, 2
           having count(j.id) <> (case when w.outcome in ('succeeded', 'failed') then 1 else 0 end)"""
    )
    assert untold == []


@pytest.mark.parametrize("seconds", [3.0, pytest.param(120.0, marks=pytest.mark.slow)], ids=["short", "long"])
def test_everything_at_once_to_workflows_neither_deadlocks_nor_loses_nor_repeats(
    look: Look, connect: Connect, dice: random.Random, seconds: float
) -> None:
    look.rows(RAN)

    did = _hunt(connect, dice, seconds)

    print(dict(did))
    _drain(look)
    _check(look)
    print(look.rows("select outcome, count(*) as workflows, sum(nodes) as nodes from workflow group by 1 order by 1"))
    assert all(did[verb] for verb in ("work", "submit", "extend", "depend", "retry"))
