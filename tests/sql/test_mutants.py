"""Each rule is taken out of the SQL once, and the guarantee or test that rests on it must break: the tests would notice.

One after another in one transaction that is rolled back; those whose guarantee needs several connections have a database each.
"""

import pytest

from . import guarantees
from .conftest import Sql
from .mutants import (
    agents,
    audit,
    cancels,
    dead_letters,
    depths,
    doctor,
    explaining,
    filters,
    jobs,
    keys,
    later_payloads,
    limit_counts,
    limit_turns,
    limit_verbs,
    logs,
    metrics,
    notify,
    operations,
    pools,
    queues,
    scaling,
    schedules,
    steps,
    terms,
    workflow_nodes,
    workflow_races,
    workflow_shape,
    workflow_verbs,
)
from .mutants.mutant import Mutant

OF_JOBS = (
    agents,
    audit,
    cancels,
    dead_letters,
    depths,
    doctor,
    explaining,
    filters,
    jobs,
    keys,
    later_payloads,
    logs,
    metrics,
    notify,
    operations,
    pools,
    queues,
    scaling,
    schedules,
    steps,
    terms,
)
AREAS = (*OF_JOBS, workflow_nodes, workflow_verbs, workflow_races, workflow_shape, limit_counts, limit_turns, limit_verbs)
MUTANTS = sorted((mutant for area in AREAS for mutant in area.MUTANTS), key=Mutant.needs_others)  # the cheap ones first

pytestmark = pytest.mark.one_postgres


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.what)
def test_without_a_rule_what_rests_on_it_is_seen_to_break(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, mutant: Mutant
) -> None:
    monkeypatch.setattr(guarantees, "PATIENCE", "500ms")
    if mutant.needs_others():
        sql: Sql = request.getfixturevalue("sql")
        mutant.load(sql)
        mutant.assert_killed(sql, request.getfixturevalue("another_sql"))
        sql.rows("delete from workflow")  # what a mutant has done to one is no drift of ours
    else:
        sql = request.getfixturevalue("lasting_sql")
        with sql.connection.transaction(force_rollback=True):
            mutant.load(sql)
            mutant.assert_killed(sql)
