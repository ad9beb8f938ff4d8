"""An operator acts on what is there: it may not decide what a job runs with, by whatever verb."""

from typing import Any

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from .conftest import Install

SCHEDULE = '{"every": 3600, "job": {"task": "report", "args": {"to": "ann"}}}'
ENQUEUES = {
    "update": 'select update({waiting}, args => \'{{"to": "eve"}}\')',
    "retry": 'select retry({dead}, args => \'{{"to": "eve"}}\')',
    "an operation": 'select start_operation(\'update\', \'{{"ids": [{waiting}]}}\', \'{{"args": {{"to": "eve"}}}}\')',
    "a new schedule": 'select set_schedule(\'mine\', \'{{"every": 60, "job": {{"task": "pay"}}}}\')',
    "a new pool": "select make_pool('mine', 'shop:app')",
    "another app of a pool": "select set_pool('workers', app => 'other:app')",
    "another job of a schedule": 'select set_schedule(\'nightly\', \'{{"job": {{"args": {{"to": "eve"}}}}}}\')',
}
ACTS = {
    "update": "select update({waiting}, priority => 5)",
    "retry": "select retry({dead})",
    "an operation": "select start_operation('update', '{{\"ids\": [{waiting}]}}', '{{\"priority\": 3}}')",
    "the times of a schedule": "select set_schedule('nightly', '{{\"every\": 7200}}')",
    "the size of a pool": "select scale_pool('workers', 3)",
    "the bounds of a pool": "select set_pool('workers', maximum => 9)",
    "a tick": "select trigger_schedule('nightly')",
}


@pytest.fixture
def ids(install: Install) -> dict[str, int]:
    """A job that waits, a dead letter, the schedule "nightly" and the pool "workers"."""
    ((waiting,),) = install.rows("select enqueue('mail', '{\"to\": \"ann\"}', run_after => '1 day')")
    ((dead,),) = install.rows("select enqueue('mail', '{\"to\": \"ann\"}', run_after => '1 day')")
    install.rows(
        "with gone as (delete from job_kept where id = %s returning *) insert into dead_letter "
        "select (jsonb_populate_record(null::dead_letter, to_jsonb(g) || "
        """'{"finished_at": "2030-01-01", "state": "failed", "reason": "error", "errors": []}')).* from gone g returning id""",
        dead,
    )
    install.rows("select set_schedule('nightly', %s)", SCHEDULE)
    install.rows("insert into pool (name, app, wanted) values ('workers', 'shop:app', 1) on conflict do nothing returning name")
    return {"waiting": waiting, "dead": dead}


def call(connection: psycopg.Connection[Any], install: Install, statement: str, ids: dict[str, int]) -> None:
    """Call a verb in the schema of the install; nothing stays of it."""
    with connection.transaction(force_rollback=True):
        connection.execute(f"set local search_path to {install.schema}")
        connection.execute(statement.format_map(ids))


@pytest.mark.parametrize("verb", ENQUEUES)
def test_an_operator_does_not_say_what_a_job_runs_with(install: Install, ids: dict[str, int], verb: str) -> None:
    says = rf"(args|job|app): .* grant {install.schema}_producer to"
    with install.as_login("operator") as connection, pytest.raises(InsufficientPrivilege, match=says) as refused:
        call(connection, install, ENQUEUES[verb], ids)
    assert refused.value.diag.column_name in ("args", "job", "app")


@pytest.mark.parametrize("verb", ACTS)
def test_an_operator_acts_on_what_is_there(install: Install, ids: dict[str, int], verb: str) -> None:
    with install.as_login("operator") as connection:
        call(connection, install, ACTS[verb], ids)


@pytest.mark.parametrize("verb", ENQUEUES)
def test_who_is_a_producer_too_may_and_so_may_an_admin_and_the_owner(install: Install, ids: dict[str, int], verb: str) -> None:
    with install.as_login("admin") as connection:
        call(connection, install, ENQUEUES[verb], ids)
    with psycopg.connect(install.url) as connection:
        call(connection, install, ENQUEUES[verb], ids)
    both = install.login("operator")
    install.on_server("grant {} to {}", install.role("producer"), both)
    try:
        with install.as_login("operator") as connection:
            call(connection, install, ENQUEUES[verb], ids)
    finally:
        install.on_server("revoke {} from {}", install.role("producer"), both)


def test_a_role_that_the_session_has_set_is_the_one_that_counts(install: Install, ids: dict[str, int]) -> None:
    with install.as_login("admin") as connection:
        connection.execute(f"set role {install.role('operator')}")
        with pytest.raises(InsufficientPrivilege):
            call(connection, install, ENQUEUES["update"], ids)


def test_what_was_refused_changed_nothing_and_what_was_allowed_is_in_the_audit_log(install: Install, ids: dict[str, int]) -> None:
    with install.as_login("operator") as connection, pytest.raises(InsufficientPrivilege):
        call(connection, install, ENQUEUES["update"], ids)
    assert install.rows("select args->>'to' from job where id = %s", ids["waiting"]) == [("ann",)]
    with install.as_login("admin") as connection:
        connection.execute(f"set search_path to {install.schema}")
        connection.execute(ENQUEUES["update"].format_map(ids))
    found = install.rows("select role, after->'args'->>'to' from audit where subject = %s", str(ids["waiting"]))
    assert found == [(install.login("admin"), "eve")]
