"""The CHECK constraints of job: which states it has, and that a running job, and no other, has an owner."""

from itertools import product

import psycopg

from .conftest import Sql

LIVE = ("blocked", "scheduled", "ready", "running")
OWNER = {"claim_token": "gen_random_uuid()", "worker_id": "gen_random_uuid()", "claimed_at": "now()"}


def test_a_job_has_the_states_of_live_ones_and_an_owner_while_it_runs(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id = sql.enqueue()
    states = [row["state"] for row in sql.rows("select unnest(enum_range(null::job_state))::text as state")]

    refused = {case for case in product(states, *[(False, True)] * 3) if not _may_be(sql, id, *case)}

    assert refused == {
        (state, *owned)
        for state, *owned in product(states, *[(False, True)] * 3)
        if state not in LIVE or set(owned) != {state == "running"}
    }


def _may_be(sql: Sql, id: int, state: str, *owned: bool) -> bool:
    owner = [f"{name} = {value if has else 'null'}" for (name, value), has in zip(OWNER.items(), owned, strict=True)]
    try:
        with sql.connection.transaction(force_rollback=True):
            sql.rows(f"update job set state = '{state}', {', '.join(owner)} where id = %s", id)
    except psycopg.errors.CheckViolation:
        return False
    return True
