"""depends_on: a job waits for jobs that are there, whatever has become of them."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import Sql
from .flows import claim, end, node, refused, start, workflow_of

STATES = ["scheduled", "ready", "running", "snoozed", "blocked", "succeeded", "dead", "cancelled", "skipped"]
OPEN = STATES[:5]
SATISFIES = {  # which ends of a parent let the child run
    "succeeded": ["succeeded"],
    "finished": ["succeeded", "dead", "cancelled", "skipped"],
    "failed": ["dead"],
}
FORMS = {  # every way to enqueue, for one job that depends on others
    "enqueue": "select enqueue('child', depends_on => %s, run_if => %s)",
    "enqueue_many": """select (enqueue_many('child', '[{}]', depends_on => %s, run_if => %s))[1]""",
    "enqueue_many of options": "select id from enqueue_many(jsonb_build_array(jsonb_build_object("
    "'task', 'child', 'depends_on', %s::bigint[], 'run_if', %s::text)))",
    "enqueue_select": "select enqueue_select('child', array[jsonb '{}'], depends_on => %s, run_if => %s)",
}


def parent_in(sql: Sql, state: str) -> int:
    """A job that came into this state by the verbs themselves; plain, but for blocked and skipped ones."""
    match state:
        case "scheduled":
            return sql.enqueue("parent", run_after="1 h")
        case "blocked" | "skipped":
            flow = start(sql, node("above"), node("parent", "above"))
            if state == "skipped":
                flow.run("above", "failed")
            return flow["parent"]
    id = sql.enqueue("parent")
    match state:
        case "running":
            claim(sql, id)
        case "snoozed":
            end(sql, id, "snoozed", delay=3600)
        case "succeeded":
            end(sql, id, result=1)
        case "dead":
            end(sql, id, "failed")
        case "cancelled":
            sql.value("select cancel(%s)", id)
    return id


def child_of(sql: Sql, parents: list[int], run_if: str = "succeeded", form: str = "enqueue") -> int:
    """The id of a new job that depends on these."""
    sql.value(FORMS[form], parents, run_if)
    return int(sql.value("select max(id) from jobs where task = 'child'"))


@pytest.mark.one_case
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("run_if", SATISFIES)
@pytest.mark.parametrize("state", STATES)
def test_a_job_waits_for_a_parent_runs_or_is_skipped_by_how_the_parent_stands(
    rolled_back_sql: Sql, state: str, run_if: str, form: str
) -> None:
    sql = rolled_back_sql
    parent = parent_in(sql, state)
    before = sql.job(parent)

    child = child_of(sql, [parent], run_if, form)

    job = sql.job(child)
    if state in OPEN:
        assert job["state"] == "blocked"
    elif state in SATISFIES[run_if]:
        assert job["state"] == "ready"
    else:
        assert (job["state"], job["reason"]) == ("cancelled", "dependency_failed")
    after = sql.job(parent)
    assert job["workflow_id"] == after["workflow_id"] is not None
    assert {**before, "workflow_id": None} == {**after, "workflow_id": None}


@pytest.mark.parametrize("outcome", ["succeeded", "dead", "cancelled"])
@pytest.mark.parametrize("run_if", SATISFIES)
def test_the_end_of_an_adopted_parent_decides(rolled_back_sql: Sql, run_if: str, outcome: str) -> None:
    sql = rolled_back_sql
    parent = sql.enqueue("parent")
    child = child_of(sql, [parent], run_if)

    end(sql, parent, {"dead": "failed"}.get(outcome, outcome))

    assert sql.state(child) == ("ready" if outcome in SATISFIES[run_if] else "cancelled")
    assert workflow_of(sql, child).progress()["nodes"] == 2


@pytest.mark.parametrize("form", FORMS)
def test_a_worker_is_told_that_a_child_has_parents_and_an_adopted_job_none(rolled_back_sql: Sql, form: str) -> None:
    sql = rolled_back_sql
    parent = sql.enqueue("parent")
    child = child_of(sql, [parent], form=form)
    flow = workflow_of(sql, child)

    token, (first,) = sql.claim(sql.worker())
    sql.finish(token, {"id": parent, "state": "succeeded"})
    _, (then,) = sql.claim(sql.worker())

    assert first["node"] == {"workflow": flow.id}
    assert then["node"] == {"workflow": flow.id, "has_parents": True}


def test_several_children_of_one_plain_parent_are_in_one_workflow(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    parent = sql.enqueue("parent")

    ids = sql.value("""select enqueue_many('child', '[{}, {}, {}]', depends_on => array[%s]::bigint[])""", parent)
    child_of(sql, [parent])
    child_of(sql, [ids[0]])

    progress = workflow_of(sql, parent).progress()
    assert (progress["nodes"], progress["blocked"], progress["name"]) == (6, 5, None)
    assert sql.value("select count(*) from workflow") == 1


def test_plain_parents_join_the_workflow_of_the_others(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"))
    plain, dead, over = sql.enqueue("p"), parent_in(sql, "dead"), parent_in(sql, "succeeded")

    child = child_of(sql, [plain, flow["a"], dead, over], "finished")

    assert workflow_of(sql, child).id == flow.id
    assert flow.progress()["nodes"] == 5
    assert sql.value("select waits_for from workflow_nodes where job_id = %s", child) == 2
    rows = sql.rows("select parent_id from workflow_edge where child_id = %s order by position", child)
    assert [row["parent_id"] for row in rows] == [plain, flow["a"], dead, over]


def test_a_workflow_that_had_finished_goes_on(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"))
    flow.run("a")

    child = child_of(rolled_back_sql, [flow["a"]])

    assert flow.status == "running"
    end(rolled_back_sql, child)
    assert flow.status == "succeeded"


def test_a_parent_that_is_named_twice_is_one_parent(rolled_back_sql: Sql) -> None:
    parent = rolled_back_sql.enqueue("parent")
    child = child_of(rolled_back_sql, [parent, parent])

    end(rolled_back_sql, parent)

    assert rolled_back_sql.state(child) == "ready"


@pytest.mark.parametrize("run_if", SATISFIES)
def test_one_parent_that_did_not_end_so_is_enough_to_be_skipped_though_others_still_run(
    rolled_back_sql: Sql, run_if: str
) -> None:
    sql = rolled_back_sql
    parents = [parent_in(sql, "ready"), parent_in(sql, "cancelled")]

    child = child_of(sql, parents, run_if)

    assert sql.state(child) == ("blocked" if run_if == "finished" else "cancelled")


@pytest.mark.one_case
@pytest.mark.parametrize("form", FORMS)
def test_parents_of_two_workflows_are_refused_naming_both(rolled_back_sql: Sql, form: str) -> None:
    one, two = start(rolled_back_sql, node("a"), name="one"), start(rolled_back_sql, node("b"))

    sqlstate, message = refused(rolled_back_sql, FORMS[form], [one["a"], two["b"]], "succeeded")

    assert sqlstate == "PQ001"
    assert f"they are in several workflows: {one.id} and {two.id}; all must be in one or in none" in message


@pytest.mark.one_case
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside a known one"])
def test_an_unknown_parent_is_refused_by_name(rolled_back_sql: Sql, form: str, beside: bool) -> None:
    parents = [rolled_back_sql.enqueue("parent")] * beside + [4711]

    said = refused(rolled_back_sql, FORMS[form], parents, "succeeded")

    assert said == ("PQ003", "depends_on: there is no job 4711; it never existed, or the history no longer keeps it")


def test_a_parent_whose_history_was_pruned_is_unknown(rolled_back_sql: Sql) -> None:
    parent = parent_in(rolled_back_sql, "succeeded")
    rolled_back_sql.rows("delete from job_history")

    assert refused(rolled_back_sql, FORMS["enqueue"], [parent], "finished")[0] == "PQ003"


@pytest.mark.parametrize("state", ["succeeded", "dead"])
def test_a_parent_whose_workflow_was_pruned_is_plain_again(rolled_back_sql: Sql, state: str) -> None:
    sql = rolled_back_sql
    parent = parent_in(sql, state)
    pruned = workflow_of(sql, child_of(sql, [parent], "finished"))
    sql.rows("delete from job where task = 'child'")
    sql.rows("delete from workflow")

    child = child_of(sql, [parent], "finished")

    assert sql.state(child) == "ready"
    assert workflow_of(sql, parent).id == workflow_of(sql, child).id != pruned.id


@pytest.mark.one_case
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("run_if", ["later", "", "Succeeded"])
def test_a_policy_that_does_not_exist_is_refused(rolled_back_sql: Sql, run_if: str, form: str) -> None:
    parent = rolled_back_sql.enqueue("parent")

    assert refused(rolled_back_sql, FORMS[form], [parent], run_if) == (
        "PQ001",
        f"run_if: '{run_if}' is not valid; use succeeded, finished or failed",
    )


@pytest.mark.one_case
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("run_if", ["later", ""])
def test_a_policy_that_does_not_exist_is_refused_of_a_job_that_waits_for_none(
    rolled_back_sql: Sql, run_if: str, form: str
) -> None:
    sqlstate, message = refused(rolled_back_sql, FORMS[form], None, run_if)

    assert (sqlstate, message) == ("PQ001", f"run_if: '{run_if}' is not valid; use succeeded, finished or failed")


@pytest.mark.one_case
@pytest.mark.parametrize("parents", [5, "5", {"id": 5}, [1.5], ["a"], [[1]], [True], [10**30]], ids=str)
def test_parents_that_are_no_ids_are_refused_by_name(rolled_back_sql: Sql, parents: Any) -> None:
    jobs = json.dumps([{"task": "a"}, {"task": "child", "depends_on": parents}])

    sqlstate, message = refused(rolled_back_sql, "select * from enqueue_many(%s)", jobs)

    assert sqlstate == "PQ001"
    assert message.startswith("depends_on: ")
    assert message.endswith("is not valid; give the ids of the jobs to wait for, for example [17, 18]")


def test_parents_that_are_null_are_none(rolled_back_sql: Sql) -> None:
    (row,) = rolled_back_sql.rows("select * from enqueue_many(%s)", json.dumps([{"task": "a", "depends_on": None}]))

    assert rolled_back_sql.state(row["id"]) == "ready"


@pytest.mark.one_case
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("parents", [[], [None]], ids=["none", "null"])
def test_parents_that_are_none_are_refused(rolled_back_sql: Sql, parents: Any, form: str) -> None:
    sqlstate, message = refused(rolled_back_sql, FORMS[form], parents, "succeeded")

    assert sqlstate == "PQ001"
    assert message.endswith("is not valid; give the ids of the jobs to wait for, at least one")


def test_a_job_cannot_guess_its_own_id_and_wait_for_itself(rolled_back_sql: Sql) -> None:
    next_id = rolled_back_sql.enqueue() + 1

    for guess in range(next_id, next_id + 3):
        assert refused(rolled_back_sql, FORMS["enqueue"], [guess], "succeeded")[0] in ("PQ001", "PQ003")


def test_a_parent_of_a_cancelled_workflow_is_refused(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"))
    rolled_back_sql.value("select cancel_workflow(%s)", flow.id)

    said = refused(rolled_back_sql, FORMS["enqueue"], [flow["a"]], "finished")

    assert said == (
        "PQ004",
        f"depends_on: job {flow['a']} is in workflow {flow.id}, which was cancelled; enqueue another one",
    )


def test_adopted_parents_count_as_nodes_of_the_setting(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    parents = [sql.enqueue(), sql.enqueue()]
    sql.rows("update setting set max_workflow_nodes = 2")

    sqlstate, message = refused(sql, FORMS["enqueue"], parents, "succeeded")

    assert (sqlstate, message.split(";")[0]) == ("PQ001", "nodes: 3 nodes are too many for one workflow")


def test_jobs_of_one_call_may_depend_on_different_jobs_or_none(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    one, two = sql.enqueue("one"), parent_in(sql, "dead")

    rows = sql.rows(
        "select * from enqueue_many(%s)",
        json.dumps([
            {"task": "a", "depends_on": [one]},
            {"task": "b"},
            {"task": "c", "depends_on": [two], "run_if": "failed"},
            {"task": "d", "depends_on": [one], "run_if": "failed"},
            {"task": "e", "depends_on": [two]},
        ]),
    )  # fmt: skip

    assert [sql.state(row["id"]) for row in rows] == ["blocked", "ready", "ready", "blocked", "cancelled"]
    assert [row["duplicate"] for row in rows] == [False] * 5
    flows = [sql.job(row["id"])["workflow_id"] for row in rows]
    assert flows[0] == flows[3] != flows[2] == flows[4]
    assert flows[1] is None


def test_each_row_of_a_query_becomes_a_job_that_waits(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    parent = sql.enqueue("parent")

    added = sql.value(
        "select sum(enqueue_select('child', rows, depends_on => array[%s]::bigint[])) from "
        "(select array_agg(jsonb_build_object('n', n)) as rows from generate_series(1, 100) n group by n %% 3) batch",
        parent,
    )

    assert added == 100
    end(sql, parent)
    assert sql.value("select count(*) from job where state = 'ready' and task = 'child'") == 100


def test_a_query_without_rows_adopts_nobody(rolled_back_sql: Sql) -> None:
    parent = rolled_back_sql.enqueue("parent")

    assert rolled_back_sql.value("select enqueue_select('child', '{}', depends_on => array[%s]::bigint[])", parent) == 0

    assert rolled_back_sql.value("select count(*) from workflow") == 0


def test_a_job_that_waits_wakes_nobody_and_one_that_need_not_wait_wakes_its_queue(
    sql: Sql, another_sql: Callable[[], Sql]
) -> None:
    worker = another_sql()
    over, ready = parent_in(sql, "succeeded"), parent_in(sql, "ready")
    worker.listen()

    sql.enqueue("child", queue="waits", depends_on=[ready])
    sql.enqueue("child", queue="skipped", depends_on=[ready], run_if="failed")
    sql.enqueue("child", queue="runs", depends_on=[over])

    assert worker.wakes(sql) == ["runs"]
