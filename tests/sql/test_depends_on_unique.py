"""depends_on of unique jobs: a duplicate waits for nobody."""

import json
from typing import Any

import pytest

from .conftest import Sql
from .flows import end, refused
from .test_depends_on import FORMS


@pytest.mark.parametrize("mode", ["until_done", "until_started", "period"])
def test_a_duplicate_gets_no_parents_and_the_parents_stay_plain(rolled_back_sql: Sql, mode: str) -> None:
    sql = rolled_back_sql
    options: dict[str, Any] = {"unique_mode": mode, **({"unique_period": "1 h"} if mode == "period" else {})}
    there = sql.enqueue("child", **options)
    parent = sql.enqueue("parent")

    assert sql.enqueue("child", depends_on=[parent], **options) == there
    rows = sql.rows("select * from enqueue_many(%s)", json.dumps([{"task": "child", "depends_on": [parent], **options}]))
    named = ", ".join(f"{name} => '{value}'" for name, value in options.items())
    added = sql.value(f"select enqueue_select('child', array[jsonb '{{}}'], {named}, depends_on => array[%s]::bigint[])", parent)

    assert rows == [{"id": there, "duplicate": True}]
    assert added == 0
    assert sql.state(there) == "ready"
    assert sql.value("select count(*) from workflow") == 0
    assert sql.value("select workflow_id from job where id = %s", parent) is None


def test_a_blocked_job_holds_its_key(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    parent = sql.enqueue("parent")

    child = sql.enqueue("child", depends_on=[parent], unique_mode="until_started")

    assert sql.enqueue("child", unique_mode="until_started") == child


def test_a_skipped_job_lets_go_of_its_key(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    parent = sql.enqueue("parent")
    child = sql.enqueue("child", depends_on=[parent], unique_mode="until_done")

    end(sql, parent, "failed")

    assert sql.enqueue("child", unique_mode="until_done") != child


@pytest.mark.parametrize("form", ["enqueue", "enqueue_many of options", "enqueue_select"])
def test_a_job_that_waits_for_others_cannot_replace_one(rolled_back_sql: Sql, form: str) -> None:
    sql = rolled_back_sql
    parent = sql.enqueue("parent")
    sql.enqueue("child", unique_mode="replace")
    query = FORMS[form].replace("depends_on =>", "unique_mode => 'replace', depends_on =>")
    query = query.replace("'depends_on',", "'unique_mode', 'replace', 'depends_on',")

    sqlstate, message = refused(sql, query, [parent], "succeeded")

    assert (sqlstate, message) == (
        "PQ001",
        "unique_mode: 'replace' is not valid; a job that waits for others cannot replace one; use until_started",
    )


def test_a_job_that_waits_for_others_is_not_replaced_and_its_duplicate_is_dropped(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    parent = sql.enqueue("parent")
    child = sql.enqueue("child", depends_on=[parent], unique_mode="until_started", unique_key="k")

    rows = sql.rows(
        "select * from enqueue_many(%s)",
        json.dumps([{"task": "child", "args": {"n": 2}, "unique_mode": "replace", "unique_key": "k"}]),
    )

    assert rows == [{"id": child, "duplicate": True}]
    assert (sql.state(child), sql.job(child)["args"]) == ("blocked", {})
