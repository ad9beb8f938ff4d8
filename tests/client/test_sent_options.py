"""What an enqueue sends: only what it was told, because the server reads each argument."""

from typing import Any

import pytest

from pgqueue.database.calls.enqueue import EnqueueOptions, LimitOptions, TimeOptions, enqueue, enqueue_many
from tests.looking import Look

HOUR = "1 h"


def test_a_job_without_further_options_is_a_plain_one() -> None:
    call = enqueue("send", "{}", EnqueueOptions("mail", 7), False)

    assert call.statement == "select {schema}.enqueue_plain(%s::text, %s::text::jsonb, %s::text, %s::int, %s::bool)"
    assert call.params == ("send", "{}", "mail", 7, False)


@pytest.mark.parametrize("name", [name for name in EnqueueOptions._fields if name not in ("queue", "priority")])
def test_any_other_option_is_sent_by_name_and_alone(name: str) -> None:
    given: Any = {name: "x"}

    call = enqueue("send", "{}", EnqueueOptions(**given), True)

    assert call.statement.startswith("select {schema}.enqueue(%s::text, %s::text::jsonb, " + name + " => %s::")
    assert call.params == ("send", "{}", "x")


def test_limits_times_and_a_trace_are_sent_with_what_else_is_given() -> None:
    options = EnqueueOptions(queue="mail", run_after=HOUR)

    call = enqueue_many("send", "[]", options, False, LimitOptions(fair="k"), TimeOptions(timeout=HOUR), "{}")

    assert call.statement == (
        "select {schema}.enqueue_many(%s::text, %s::text::jsonb, queue => %s::text, run_after => %s::text::interval, "
        "notify => %s::bool, fair => %s::text, timeout => %s::text::interval, trace => %s::text::jsonb)"
    )
    assert call.params == ("send", "[]", "mail", HOUR, False, "k", HOUR, "{}")


def test_a_plain_job_may_have_a_trace() -> None:
    call = enqueue("send", "{}", EnqueueOptions(), True, trace="{}")

    assert call.statement.endswith(".enqueue_plain(%s::text, %s::text::jsonb, %s::text, %s::int, %s::bool, %s::text::jsonb)")
    assert call.params == ("send", "{}", "default", 0, True, "{}")


@pytest.mark.parametrize("more", [{"limits": LimitOptions(cost=2)}, {"times": TimeOptions(timeout=HOUR)}])
def test_a_job_with_limits_or_times_is_no_plain_one(more: dict[str, object]) -> None:
    call = enqueue("send", "{}", EnqueueOptions(), True, **more)  # type: ignore[arg-type]

    assert "enqueue(" in call.statement
    assert len(call.params) == 3


@pytest.mark.parametrize("function", ["enqueue", "enqueue_many"])
def test_what_is_not_sent_is_what_sql_assumes(look: Look, function: str) -> None:
    row = look.rows(
        "select array_agg(array[name, pg_get_function_arg_default(p.oid, place::int)]) as all from pg_proc p, "
        "unnest(p.proargnames) with ordinality as a(name, place) where p.proname = %s and 'task' = any (p.proargnames) "
        "and p.pronamespace = 'pgqueue'::regnamespace",
        function,
    )[0]
    assumed = {name: look.value(f"select {default}") for name, default in row["all"] if default is not None}
    kinds: Any = (EnqueueOptions(), LimitOptions(), TimeOptions())

    for options in kinds:
        assert {name: assumed[name] for name in options._fields} == options._asdict()
    assert (assumed["notify"], assumed["trace"]) == (True, None)
