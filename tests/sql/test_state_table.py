"""Every verb against every state: what becomes of the job, or how the verb is refused."""

import json
import uuid
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
import pytest

from .conftest import Sql

# A word for each verb and state: the job's state afterwards; `-` = the verb finds nothing to do; `stale` or a SQLSTATE = it is
# refused; `new` = the job stays and another one is made; `gone` = it is not there any more. `due` is scheduled for a time that
# has come; `orphan` runs under a lost worker. Finish and give_back come with the token of the job's last claim.
TABLE = """
                 blocked   scheduled due       ready     running   orphan    succeeded failed  cancelled unknown
enqueue          new       new       new       new       new       new       new       new     new       new
claim            -         -         -         running   -         -         -         -       -         -
succeeded        stale     stale     stale     stale     succeeded succeeded stale     stale   stale     stale
cancelled        stale     stale     stale     stale     cancelled cancelled stale     stale   stale     stale
failed           stale     stale     stale     stale     scheduled scheduled stale     stale   stale     stale
failed_for_good  stale     stale     stale     stale     failed    failed    stale     stale   stale     stale
snoozed          stale     stale     stale     stale     scheduled scheduled stale     stale   stale     stale
snoozed_for_0_s  stale     stale     stale     stale     ready     ready     stale     stale   stale     stale
unknown_task     stale     stale     stale     stale     scheduled scheduled stale     stale   stale     stale
waiting          stale     stale     stale     stale     scheduled scheduled stale     stale   stale     stale
save_step        -         -         -         -         running   running   -         -       -         -
wait_for         -         -         -         -         running   running   -         -       -         -
signal           blocked   scheduled scheduled ready     running   running   PQ004     PQ004   PQ004     PQ003
complete         stale     stale     stale     stale     succeeded succeeded stale     stale   stale     stale
fail             stale     stale     stale     stale     scheduled scheduled stale     stale   stale     stale
snooze           stale     stale     stale     stale     scheduled scheduled stale     stale   stale     stale
progress         -         -         -         -         running   running   -         -       -         -
give_back        -         -         -         -         ready     ready     -         -       -         -
reconcile        -         -         -         -         ready     ready     -         -       -         -
retire_worker    -         -         -         -         ready     ready     -         -       -         -
rescue           -         -         -         -         -         ready     -         -       -         -
promote          -         -         ready     -         -         -         -         -       -         -
maintain         -         -         -         -         -         -         -         -       -         -
cancel           cancelled cancelled cancelled cancelled running   running   PQ004     PQ004   PQ004     PQ003
forced_cancel    cancelled cancelled cancelled cancelled cancelled cancelled PQ004     PQ004   PQ004     PQ003
retry            PQ004     ready     ready     PQ004     PQ004     PQ004     new       ready   new       PQ003
discard          PQ004     PQ004     PQ004     PQ004     PQ004     PQ004     PQ004     gone    PQ004     PQ003
update           blocked   scheduled scheduled ready     PQ004     PQ004     PQ004     PQ004   PQ004     PQ003
update_to_now    blocked   ready     ready     ready     PQ004     PQ004     PQ004     PQ004   PQ004     PQ003
update_to_later  blocked   scheduled scheduled scheduled PQ004     PQ004     PQ004     PQ004   PQ004     PQ003
claim_jobs       -         -         -         running   -         -         -         -       -         -
"""
_HEAD, *_LINES = [line.split() for line in TABLE.strip().splitlines()]
CASES = [(verb, state, word) for verb, *words in _LINES for state, word in zip(_HEAD, words, strict=True)]


class Subject(NamedTuple):
    """The job a verb is tried on, with its last owner."""

    id: int
    token: UUID
    worker: UUID


def job_in(sql: Sql, state: str) -> Subject:
    """A job that came into this state by the verbs themselves; it was claimed at least once, unless it is blocked."""
    worker = sql.worker()
    id = sql.enqueue()
    token, _ = sql.claim(worker)
    match state:
        case "scheduled" | "due" | "blocked":
            sql.finish(token, {"id": id, "state": "snoozed", "delay": 3600})
        case "ready":
            sql.value("select give_back(%s, %s)", token, [id])
        case "orphan":
            sql.rows("update worker set started = %s where id = %s", [id], worker)
            sql.lose(worker)
        case "succeeded" | "cancelled":
            sql.finish(token, {"id": id, "state": state, "result": 1})
        case "failed":
            sql.finish(token, {"id": id, "state": "failed", "final": True})
        case "unknown":
            return Subject(id + 1_000_000, uuid.uuid4(), sql.worker())
    if state == "due":
        sql.make_due()
    if state == "blocked":  # by a parent whose time has not come
        return Subject(sql.enqueue(depends_on=[id]), token, worker)
    return Subject(id, token, worker)


OUTCOMES: dict[str, dict[str, Any]] = {
    "succeeded": {"state": "succeeded", "result": 2},
    "cancelled": {"state": "cancelled"},
    "failed": {"state": "failed", "error": {"type": "E"}},
    "failed_for_good": {"state": "failed", "final": True},
    "snoozed": {"state": "snoozed", "delay": 60},
    "snoozed_for_0_s": {"state": "snoozed", "delay": 0},
    "unknown_task": {"state": "unknown_task"},
    "waiting": {"state": "waiting", "signal": "approved"},
}

CALLS = {
    "enqueue": "select enqueue('noop')",
    "complete": "select complete(%(id)s, %(token)s)",
    "fail": """select fail(%(id)s, %(token)s, '{"type": "E"}')""",
    "snooze": "select snooze(%(id)s, %(token)s, 60)",
    "progress": "select progress(%(id)s, %(token)s, 1)",
    "save_step": "select save_step(%(id)s, %(token)s, 'charge')",
    "wait_for": "select answer from wait_for(%(id)s, %(token)s, 'approved')",
    "signal": "select signal(%(id)s, 'approved')",
    "give_back": "select give_back(%(token)s, array[%(id)s::bigint])",
    "reconcile": "select reconcile(%(worker)s, '{}', '0 s')",
    "retire_worker": "select retire_worker(%(worker)s)",
    "rescue": "select rescue()",
    "promote": "select promote()",
    "maintain": "select maintain()",
    "cancel": "select cancel(%(id)s)",
    "forced_cancel": "select cancel(%(id)s, force => true)",
    "retry": "select id from retry(%(id)s)",
    "discard": "select discard(%(id)s)",
    "update": "select update(%(id)s, priority => 1)",
    "update_to_now": "select update(%(id)s, run_after => '0 s')",
    "update_to_later": "select update(%(id)s, run_after => '1 h')",
}


def use(sql: Sql, verb: str, subject: Subject) -> Any:
    """Call the verb; finish says its verdict."""
    if verb == "claim":
        return sql.claim(sql.worker())[1]
    if verb == "claim_jobs":
        return sql.rows("select * from claim_jobs(%s, %s, %s)", sql.worker(), uuid.uuid4(), [subject.id])
    if verb in OUTCOMES:
        (verdict,) = sql.finish(subject.token, {"id": subject.id, **OUTCOMES[verb]}) or [{"verdict": None}]
        return verdict["verdict"]
    cursor = sql.connection.execute(CALLS[verb], subject._asdict())
    row = cursor.fetchone()
    return row[0] if row else None


def everything(sql: Sql) -> str:
    """All rows of all tables that a job can be in."""
    tables = ("job", "job_history", "dead_letter", "job_result", "rescue_log", "job_step", "job_signal")
    return json.dumps(
        [sql.value(f"select coalesce(jsonb_agg(to_jsonb(t) order by to_jsonb(t)), '[]') from {table} t") for table in tables]
    )


@pytest.mark.one_case
@pytest.mark.parametrize(("verb", "state", "word"), CASES, ids=lambda value: value)
def test_a_verb_moves_a_job_only_out_of_the_states_it_is_for(rolled_back_sql: Sql, verb: str, state: str, word: str) -> None:
    sql = rolled_back_sql
    subject = job_in(sql, state)
    before = everything(sql)
    jobs_before = sql.value("select count(*) from jobs")

    said: Any
    if word.startswith("PQ"):
        with pytest.raises(psycopg.Error) as caught, sql.connection.transaction():
            use(sql, verb, subject)
        said = caught.value.sqlstate
    else:
        said = use(sql, verb, subject)

    if word in ("-", "stale") or word.startswith("PQ"):
        assert everything(sql) == before
        assert word == "-" or said == word
    elif word == "gone":
        assert sql.rows("select from jobs where id = %s", subject.id) == []
        assert sql.value("select count(*) from jobs") == jobs_before - 1
    elif word == "new":
        assert sql.value("select count(*) from jobs") == jobs_before + 1
        assert sql.state(said) == "ready"
    else:
        assert sql.state(subject.id) == word
        assert sql.value("select count(*) from jobs") == jobs_before
