"""Steps and signals of jobs; see sql/functions/steps."""

from typing import NamedTuple

from ..call import ALWAYS, Call, Records, one_value, records


class Answer(NamedTuple):
    """The answer of `wait_for`: signaled (with the payload as JSON text), timed_out, waits (until that time, as ISO text; None:
    without limit) or stale.
    """

    answer: str
    payload: str | None
    until: str | None


def save_step(job_id: int, token: str, name: str, value: str | None, elapsed: float) -> Call[bool]:
    """Note that a running job has done a step; `value` is JSON text. Returns False if the token no longer owns the job."""
    return Call(
        "select {schema}.save_step(%s::bigint, %s::text::uuid, %s::text, %s::text::jsonb, %s::float8)",
        (job_id, token, name, value, elapsed),
        one_value,
        repeat_within=ALWAYS,
    )


def step_values(job_id: int) -> Call[dict[str, str | None]]:
    """The values of the steps that a job has done, by name, as JSON text."""
    return Call(
        "select name, value::text from {schema}.steps(%s::bigint)",
        (job_id,),
        dict,
        repeat_within=ALWAYS,
    )


def run_steps(job_id: int, token: str) -> Call[str | None]:
    """The values of the steps that a job has done, by name, as JSON text; None if the token no longer owns the job."""
    return Call("select {schema}.run_steps(%s::bigint, %s::text::uuid)::text", (job_id, token), one_value, repeat_within=ALWAYS)


def steps(job_id: int) -> Call[Records]:
    """The steps that a job has done, in that order."""
    names = ("name", "value", "started_at", "ended_at", "attempt")
    statement = "select name, value, started_at, ended_at, attempt from {schema}.steps(%s::bigint)"
    return Call(statement, (job_id,), records(*names), repeat_within=ALWAYS)


def steps_within(job_id: int, most: int) -> Call[Records]:
    """`steps`, without values that are longer than this, in bytes of JSON; `size` says how long they are."""
    return Call(
        "select name, case when size <= %s then value end, started_at, ended_at, attempt, case when size > %s then size end "
        "from (select *, octet_length(value::text) as size from {schema}.steps(%s::bigint)) s",
        (most, most, job_id),
        records("name", "value", "started_at", "ended_at", "attempt", "size"),
        repeat_within=ALWAYS,
    )


def wait_for(job_id: int, token: str, name: str, timeout: str | None) -> Call[Answer]:
    """What a running job is told about a signal that it waits for; `timeout` is an interval."""
    return Call(
        "select answer, payload::text, until from {schema}.wait_for(%s::bigint, %s::text::uuid, %s::text, %s::text::interval)",
        (job_id, token, name, timeout),
        lambda rows: Answer(*rows[0]),
        repeat_within=ALWAYS,
    )


def signal(job_id: int, name: str, payload: str | None) -> Call[bool]:
    """Tell a job something; `payload` is JSON text. Returns whether it was stored."""
    return Call("select {schema}.signal(%s::bigint, %s::text, %s::text::jsonb)", (job_id, name, payload), one_value)


def signals(job_id: int) -> Call[Records]:
    """What a job was told, or waits for."""
    names = ("name", "payload", "waited_at", "until", "ended_at", "timed_out")
    statement = "select name, payload, waited_at, until, ended_at, timed_out from {schema}.signals(%s::bigint)"
    return Call(statement, (job_id,), records(*names), repeat_within=ALWAYS)


def signals_within(job_id: int, most: int) -> Call[Records]:
    """`signals`, without payloads that are longer than this, in bytes of JSON; `size` says how long they are."""
    return Call(
        "select name, case when size <= %s then payload end, waited_at, until, ended_at, timed_out, "
        "case when size > %s then size end "
        "from (select *, octet_length(payload::text) as size from {schema}.signals(%s::bigint)) s",
        (most, most, job_id),
        records("name", "payload", "waited_at", "until", "ended_at", "timed_out", "size"),
        repeat_within=ALWAYS,
    )
