"""`pgqueue job` shows every job that is stored, whoever has written it, and `pgqueue jobs` the others beside it."""

from typing import Any

import psycopg
import pytest

from tests.cli.conftest import Run, run  # noqa: F401  (a fixture)

BIG = '\'{"x": 1e5000, "y": 1e-16000}\'::jsonb'  # Python reads no integer of 5001 digits, and no float as small as that
DEEP = "(repeat('[', 3000) || repeat(']', 3000))::jsonb"
FAR = ("'infinity'", "'-infinity'", "'290000-01-01'", "'4000-01-01 BC'")

TIMES = ("run_at", "created_at", "expires_at", "deadline_at", "unknown_since")

COLUMNS = [
    *(f"{column} = {value}" for column in TIMES for value in FAR),
    *(f"{column} = {value}" for column in ("meta", "progress", "terms", "control", "errors") for value in (BIG, DEEP)),
    *(f"{column} = '{value}'" for column in ("meta", "progress", "terms", "control", "errors") for value in ("5", "[1]", '"x"')),
    f"args = {BIG}",
    f"args = jsonb_build_object('x', {DEEP})",
    f"args = jsonb_build_object('x', {BIG}, 'y', repeat(chr(155) || chr(8238) || chr(10), 100))",
    "result_ttl = '178000000 years'",
    "result_ttl = '-293000 years 105480000 days'",
    "attempt = 32767, max_attempts = 32767, rescues = -32768, cost = 2147483647",
    "limits = array[null, '', repeat('x', 100000)]",
    "limits = '{}'",
    "task = chr(155) || chr(10) || chr(8238), queue = chr(27) || ' '",
    "workflow_id = 9223372036854775807, retry_of = -1",
    """errors = '[5, null, {"type": 5, "traceback": {"a": 1}, "started_at": [1], "attempt": "x"}, {}]'""",
    """errors = '[{"attempt": 1e300, "type": null, "message": [1], "traceback": 5}]'""",
    """control = '{"cancel": 5, "interrupted": "x", "waits_for": 5, "signals": 7, "retried": []}'""",
    """control = '{"cancel": {"by": 5}}'""",
    """control = '{"cancel": {"by": "x", "at": "no time", "force_at": 5, "note": [1]}}'""",
    """terms = '{"trace": 5, "timeout": "x", "total_timeout": [1], "expires_after": {}, "soft_timed_out": 5}'""",
    """terms = '{"trace": {"traceparent": 5, "request_id": [1]}, "timeout": 1e300}'""",
    """progress = '{"done": "x", "total": [1], "note": {"a": 1}, "at": 5}'""",
    """progress = '{"done": 1e300, "total": 1e-300, "note": null, "at": "no time"}'""",
]


def _set(connection: psycopg.Connection[Any], change: str) -> int:
    (id,) = connection.execute("select enqueue('t', run_after => '1 day')").fetchone() or (0,)
    connection.execute(f"update job set {change} where id = %s", [id])
    return int(id)


@pytest.mark.parametrize("change", COLUMNS)
def test_a_job_is_shown_whatever_is_stored_of_it(connection: psycopg.Connection[Any], run: Run, change: str) -> None:  # noqa: F811
    id = _set(connection, change)
    for arguments in (("job", id), ("jobs",), ("explain", id)):
        for as_json in ((), ("--json",)):
            _is_shown(run, id, *map(str, arguments), *as_json)


def _is_shown(run: Run, id: int, *arguments: str) -> None:  # noqa: F811
    ran = run(*arguments)
    assert ran.code == 0, (arguments, ran.err)
    assert str(id) in ran.out


OVER = [
    *(f"finished_at = {value}" for value in FAR[1:2]),
    *(f"elapsed = '{value}'" for value in ("NaN", "Infinity", "-Infinity", "1e38", "-1")),
    *(f"claimed_at = {value}" for value in FAR),
]


@pytest.mark.parametrize("change", OVER)
def test_a_job_that_is_over_is_shown_whatever_is_stored_of_it(
    connection: psycopg.Connection[Any],
    run: Run,  # noqa: F811
    change: str,
) -> None:
    id = _set(connection, "task = 't'")
    connection.execute("select cancel(%s)", [id])
    connection.execute(f"update job_history set {change}, errors = '[{{}}]' where id = %s", [id])
    for arguments in (("job", id), ("job", id, "--json"), ("jobs",), ("jobs", "--json")):
        _is_shown(run, id, *map(str, arguments))


@pytest.mark.parametrize("value", [BIG, DEEP, "'\"x\"'", "'null'"])
def test_results_steps_and_signals_of_a_job_are_shown_whatever_they_are(
    connection: psycopg.Connection[Any],
    run: Run,  # noqa: F811
    value: str,
) -> None:
    id = _set(connection, "task = 't'")
    connection.execute(f"insert into job_result (job_id, value, expires_at) select {id}, {value}, 'infinity'")
    connection.execute(
        "insert into job_step (job_id, name, value, started_at, ended_at, attempt)"
        f" select {id}, chr(27), {value}, '-infinity', 'infinity', 1"
    )
    connection.execute(f"insert into job_signal (job_id, name, payload, ended_at) select {id}, chr(27), {value}, 'infinity'")
    for arguments in (("job", id), ("job", id, "--json")):
        ran = run(*map(str, arguments))
        assert ran.code == 0, (arguments, ran.err)
