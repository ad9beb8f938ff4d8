"""notify => false: every form of enqueue wakes nobody, and what follows it in the transaction does."""

from collections.abc import Callable

import pytest

from .conftest import Sql
from .test_depends_on import parent_in

FORMS: dict[str, str] = {  # %s is the id of a job that is over
    "enqueue": "enqueue('child', notify => false)",
    "enqueue_plain": "enqueue_plain('child', '{}', 'mine', 0, false)",
    "enqueue, a child": "enqueue('child', notify => false, depends_on => array[%s]::bigint[])",
    "enqueue, instead of another": "enqueue('child', '{}', 'mine', unique_mode => 'replace', unique_key => 'k', notify => false)",
    "enqueue_many": "enqueue_many('child', '[{}, {}]', notify => false)",
    "enqueue_many, children": "enqueue_many('child', '[{}, {}]', notify => false, depends_on => array[%s]::bigint[])",
    "jobs": """enqueue_many('[{"task": "child"}, {"task": "child", "notify": false}]')""",
    "jobs, a child": """enqueue_many('[{"task": "child", "depends_on": [%s], "notify": false}]')""",
    "jobs, instead of another": """enqueue_many('[{"task": "child", "unique_mode": "replace", "unique_key": "k", "queue": "mine",
        "notify": false}]')""",
    "enqueue_select": "enqueue_select('child', array['{}']::jsonb[], notify => false)",
    "enqueue_select, children": "enqueue_select('child', array[jsonb '{}'], notify => false, depends_on => array[%s]::bigint[])",
    "enqueue_select, instead of another": """enqueue_select('child', array['{}']::jsonb[], 'mine', unique_mode => 'replace',
        unique_key => 'k', notify => false)""",
    "enqueue_workflow": """enqueue_workflow('[{"task": "a", "notify": false}, {"task": "b"}]')""",
    "enqueue_workflow, unique": """enqueue_workflow(
        '[{"task": "a", "notify": false, "unique_mode": "until_done"}, {"task": "b"}]')""",
    "extend_workflow": """extend_workflow((select workflow_id from workflow_node where job_id = %s),
        '[{"task": "child", "after": [{"job": %s}], "notify": false}]')""",
}


def quiet(sql: Sql, another_sql: Callable[[], Sql], form: str) -> None:
    """Nobody is woken by it, and somebody is by an enqueue that follows."""
    worker = another_sql()
    over = parent_in(sql, "succeeded")
    sql.enqueue(depends_on=[over], run_after="1 h")  # it is in a workflow
    sql.enqueue("child", unique_mode="replace", unique_key="k", queue="theirs")
    worker.listen()
    with sql.connection.transaction():
        sql.rows("select " + FORMS[form].replace("%s", str(over)))
        during = sql.value("select current_setting('pgqueue.notify', true)")
        sql.enqueue(queue="after")
    assert (form, worker.wakes(sql), during or "") == (form, ["after"], "")


def muted(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    """Nobody is woken where the setting is off, by a function that has no `notify` either."""
    worker = another_sql()
    worker.listen()
    for off in ("off", "false"):
        with sql.connection.transaction():
            sql.rows(f"set local pgqueue.notify = {off}")
            sql.enqueue()
            flow = sql.value("""select workflow_id from enqueue_workflow('[{"task": "a"}]')""")
            sql.value("select cancel_workflow(%s)", flow)
    assert worker.wakes(sql) == []


def test_a_job_that_says_so_wakes_nobody_and_the_next_one_does(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    for form in FORMS:
        quiet(sql, another_sql, form)


def test_a_setting_of_the_transaction_keeps_every_function_quiet(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    muted(sql, another_sql)


def test_a_callback_may_say_so(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    worker = another_sql()
    sql.rows("""select enqueue_workflow('[{"task": "a", "queue": "a"}]', on_success => '{"task": "told", "notify": false}')""")
    token, rows = sql.claim(sql.worker(), queues=("a",))
    worker.listen()

    sql.finish(token, {"id": rows[0]["id"], "state": "succeeded"})

    assert worker.wakes(sql) == []
    assert sql.value("select count(*) from job where task = 'told'") == 1


def test_an_enqueue_that_fails_leaves_what_follows_its_savepoint_loud(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    worker = another_sql()
    worker.listen()
    with sql.connection.transaction():
        sql.refusal("select enqueue('child', notify => false, depends_on => array[0]::bigint[])")
        sql.enqueue(queue="after")

    assert worker.wakes(sql) == ["after"]


@pytest.mark.one_case
@pytest.mark.parametrize("bad", ['"no"', "0", "[]"])
@pytest.mark.parametrize("function", ["enqueue_many", "enqueue_workflow"])
def test_what_is_neither_true_nor_false_is_refused(rolled_back_sql: Sql, function: str, bad: str) -> None:
    refused = rolled_back_sql.refusal(f"""select {function}('[{{"task": "a", "notify": {bad}}}]')""")
    assert refused.sqlstate == "PQ001"
    assert "notify: " in str(refused)
    assert "use true or false" in str(refused)
