"""Every verb against every state of a node in the middle of a chain: what becomes of it, and of the node that waits for it."""

import json
from typing import Any
from uuid import UUID

import psycopg
import pytest

from .conftest import Sql
from .flows import Flow, claim, everything, node, start

# The states of the node and of its child afterwards; `-` = nothing changes; a SQLSTATE = refused, and nothing changes;
# `new` = both stay, and another, plain job is made. The parent has succeeded; of `blocked` it is ready, of `skipped` it is dead.
TABLE = """
                  blocked           scheduled           ready               running           succeeded       failed          cancelled skipped
succeeded         -                 -                   -                   succeeded+ready   -               -               -         -
failed            -                 -                   -                   failed+skipped    -               -               -         -
cancelled         -                 -                   -                   cancelled+skipped -               -               -         -
snoozed           -                 -                   -                   scheduled+blocked -               -               -         -
give_back         -                 -                   -                   ready+blocked     -               -               -         -
promote           -                 -                   -                   -                 -               -               -         -
cancel            cancelled+skipped cancelled+skipped   cancelled+skipped   running+blocked   PQ004           PQ004           PQ004     PQ004
forced_cancel     cancelled+skipped cancelled+skipped   cancelled+skipped   cancelled+skipped PQ004           PQ004           PQ004     PQ004
retry             PQ004             ready+blocked       PQ004               PQ004             new             ready+blocked   new       PQ004
update            -                 -                   -                   PQ004             PQ004           PQ004           PQ004     PQ004
update_to_later   blocked+blocked   -                   scheduled+blocked   PQ004             PQ004           PQ004           PQ004     PQ004
cancel_workflow   cancelled+cancelled cancelled+cancelled cancelled+cancelled running+cancelled succeeded+cancelled -         -         -
retry_workflow    -                 -                   -                   -                 -               ready+blocked   -         blocked+blocked
repair_workflows  -                 -                   -                   -                 -               -               -         -
maintain          -                 -                   -                   -                 -               -               -         -
depend            -+blocked         -+blocked           -+blocked           -+blocked         -+ready         -+skipped       -+skipped -+skipped
"""  # noqa: E501
_HEAD, *_LINES = [line.split() for line in TABLE.strip().splitlines()]
CASES = [(verb, state, word) for verb, *words in _LINES for state, word in zip(_HEAD, words, strict=True)]
CALLS = {
    "give_back": "select give_back(%(token)s, array[%(id)s::bigint])",
    "promote": "select promote()",
    "cancel": "select cancel(%(id)s)",
    "forced_cancel": "select cancel(%(id)s, force => true)",
    "retry": "select id from retry(%(id)s)",
    "update": "select update(%(id)s, priority => 0)",
    "update_to_later": "select update(%(id)s, run_at => '2999-01-01')",
    "cancel_workflow": "select cancel_workflow(%(flow)s)",
    "retry_workflow": "select retry_workflow(%(flow)s)",
    "repair_workflows": "select repair_workflows()",
    "maintain": "select maintain()",
    "depend": "select enqueue('late', depends_on => array[%(id)s::bigint])",
}


def flow_with(sql: Sql, state: str) -> tuple[Flow, Any]:
    """A chain first, it, child whose middle is in this state, and the token of its last claim."""
    flow = start(
        sql, node("first"), node("it", "first", run_at="2999-01-01" if state == "scheduled" else None), node("child", "it")
    )
    token: UUID | None = None
    if state != "blocked":
        flow.run("first", "failed" if state == "skipped" else "succeeded")
    if state in ("running", "succeeded", "failed"):
        token, _ = claim(sql, flow["it"])
    if token is not None and state in ("succeeded", "failed"):
        sql.finish(token, {"id": flow["it"], "state": state, "final": True})
    if state == "cancelled":
        sql.value("select cancel(%s)", flow["it"])
    assert flow.states()["it"] == state
    return flow, token


@pytest.mark.one_case
@pytest.mark.parametrize(("verb", "state", "word"), CASES, ids=lambda value: value)
def test_a_verb_moves_a_node_and_its_child_only_out_of_the_states_it_is_for(
    rolled_back_sql: Sql, verb: str, state: str, word: str
) -> None:
    sql = rolled_back_sql
    flow, token = flow_with(sql, state)
    before, states = everything(sql), flow.states()
    jobs = sql.value("select count(*) from jobs")
    given = {"id": flow["it"], "flow": flow.id, "token": token}

    def call() -> Any:
        if verb in CALLS:
            row = sql.connection.execute(CALLS[verb], given).fetchone()
            return row[0] if row else None
        outcome = {"id": flow["it"], "token": token, "state": verb, "final": True, "delay": 60}
        return sql.rows("select * from finish(%s)", json.dumps([outcome], default=str))

    if word.startswith("PQ"):
        with pytest.raises(psycopg.Error) as caught, sql.connection.transaction():
            call()
        assert caught.value.sqlstate == word
    else:
        said = call()

    if word == "-" or word.startswith("PQ"):
        assert everything(sql) == before
    elif word == "new":
        assert flow.states() == states
        assert (sql.value("select count(*) from jobs"), sql.job(said)["workflow_id"]) == (jobs + 1, None)
    elif verb == "depend":
        assert flow.states() == states
        late = sql.value("select state from workflow_nodes where workflow_id = %s and task = 'late'", flow.id)
        assert late == word.removeprefix("-+")
    else:
        assert (flow.states()["it"], flow.states()["child"]) == tuple(word.split("+"))
