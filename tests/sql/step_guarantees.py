"""What must hold of steps and signals: true of our SQL (test_save_step, test_wait_for, test_signal), false of each mutant."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

from .background import Background
from .conftest import Sql
from .guarantees import without_waiting

OpenSql = Callable[[], Sql]
SAVE = "select save_step(%s, %s, %s, %s, 0.5)"
WAIT = "select answer, payload, until from wait_for(%s, %s, %s, %s::interval)"
SIGNAL = "select signal(%s, %s, %s)"


def wait_for(sql: Sql, id: int, token: UUID, name: str = "approved", timeout: str | None = None) -> dict[str, Any]:
    """What the run is told about a signal."""
    (told,) = sql.rows(WAIT, id, token, name, timeout)
    return told


def end_waiting(sql: Sql, id: int, token: UUID, name: str = "approved", timeout: str | None = None) -> list[dict[str, Any]]:
    """The run asks for a signal that has not come, and ends as its worker would end it; the verdicts."""
    told = wait_for(sql, id, token, name, timeout)
    assert told["answer"] == "waits", told
    return sql.finish(token, {"id": id, "state": "waiting", "signal": name, "until": told["until"]})


def waiting(sql: Sql, name: str = "approved", timeout: str | None = None, **options: Any) -> int:
    """A job that waits for a signal."""
    id, token = sql.running(**options)
    end_waiting(sql, id, token, name, timeout)
    return id


def claim_again(sql: Sql, id: int) -> UUID:
    """Another run of this job: its token."""
    token, rows = sql.claim(sql.worker(), queues=(sql.job(id)["queue"],))
    assert [row["id"] for row in rows] == [id]
    return token


def let_time_out(sql: Sql, id: int) -> None:
    """Time travel: the time until which it waits has passed."""
    sql.rows(
        "update job_signal set until = until - interval '1 day', waited_at = waited_at - interval '1 day' where job_id = %s", id
    )
    sql.rows("update job set run_at = run_at - interval '1 day' where id = %s", id)
    sql.value("select promote()")


def a_stale_run_saves_no_step(sql: Sql) -> None:
    """Its job runs elsewhere: what it has done is told to nobody."""
    id, token = sql.running()
    sql.rows("update job set claim_token = gen_random_uuid()")

    assert sql.value(SAVE, id, token, "charge", "1") is False

    assert sql.rows("select * from job_step") == []


def a_step_that_is_there_stays_as_it_is(sql: Sql) -> None:
    """A call that is repeated because its answer was lost changes nothing."""
    id, token = sql.running()

    assert [sql.value(SAVE, id, token, "charge", value) for value in ("1", "2")] == [True, True]

    assert sql.value("select value from steps(%s)", id) == 1


def a_job_is_nobody_elses_while_its_step_commits(sql: Sql, open_sql: OpenSql) -> None:
    """A transaction with a step is open: neither its outcome nor a rescue frees the job, or the next run might miss the step."""
    id, token = sql.running()
    handler = open_sql()
    worker = sql.value("select worker_id from job where id = %s", id)
    with handler.connection.transaction():
        handler.value(SAVE, id, token, "charge", "1")
        with without_waiting(sql):
            assert [row["verdict"] for row in sql.finish(token, {"id": id, "state": "failed", "delay": 0})] == ["busy"]
            sql.lose(worker)
            assert sql.value("select rescue()") == 0

    assert sql.value("select rescue()") == 1


def the_first_signal_of_a_name_wins(sql: Sql) -> None:
    """And the second is told so."""
    id, token = sql.running()

    assert [sql.value(SIGNAL, id, "approved", payload) for payload in ('{"by": 1}', '{"by": 2}')] == [True, False]

    assert wait_for(sql, id, token)["payload"] == {"by": 1}


def a_signal_that_comes_while_the_run_ends_is_seen(sql: Sql, open_sql: OpenSql) -> None:
    """The run was told to wait, and then the signal came: its outcome makes the job ready at once."""
    id, token = sql.running()
    assert wait_for(sql, id, token)["answer"] == "waits"
    open_sql().value(SIGNAL, id, "approved", "1")

    sql.finish(token, {"id": id, "state": "waiting", "signal": "approved", "until": None})

    assert sql.state(id) == "ready"
    assert wait_for(sql, id, claim_again(sql, id))["payload"] == 1


def a_signal_waits_for_the_end_of_the_run(sql: Sql, open_sql: OpenSql) -> None:
    """The outcome is on its way: the signal waits for it, and then wakes the job."""
    id, token = sql.running()
    assert wait_for(sql, id, token)["answer"] == "waits"
    other = open_sql()
    with sql.connection.transaction():
        sql.finish(token, {"id": id, "state": "waiting", "signal": "approved", "until": None})
        signal = Background(other, SIGNAL, id, "approved", "1")
        signal.wait_until_blocked(open_sql())

    assert signal.rows() == [{"signal": True}]
    assert sql.state(id) == "ready"


def an_outcome_beside_a_signal_in_progress_is_busy(sql: Sql, open_sql: OpenSql) -> None:
    """It does not wait, and it does not miss the signal: handed in again, it sees it."""
    id, token = sql.running()
    assert wait_for(sql, id, token)["answer"] == "waits"
    outcome = {"id": id, "state": "waiting", "signal": "approved", "until": None}
    other = open_sql()
    with other.connection.transaction():
        other.value(SIGNAL, id, "approved", "1")
        with without_waiting(sql):
            assert [row["verdict"] for row in sql.finish(token, outcome)] == ["busy"]

    sql.finish(token, outcome)
    assert sql.state(id) == "ready"


def a_signal_makes_the_job_ready_that_waits_for_it(sql: Sql) -> None:
    """At once, and its queue is woken; another signal does not."""
    id = waiting(sql)
    assert sql.value(SIGNAL, id, "paid", None) is True
    assert sql.state(id) == "scheduled"

    assert sql.value(SIGNAL, id, "approved", None) is True

    assert sql.state(id) == "ready"
    assert sql.value("select run_at <= clock_timestamp() from job where id = %s", id)


def a_job_that_waits_uses_up_no_attempt(sql: Sql) -> None:
    """Nor does the next wait."""
    id = waiting(sql, retries=0)
    for signal in ("paid", "sent"):
        sql.value("select retry(%s)", id)
        end_waiting(sql, id, claim_again(sql, id), signal)
        assert (sql.state(id), sql.job(id)["attempt"]) == ("scheduled", 0)


def a_wait_that_is_over_stays_over(sql: Sql) -> None:
    """The run was told that the signal does not come: it does not, and each later run is told the same."""
    id = waiting(sql, timeout="1 h")
    let_time_out(sql, id)
    token = claim_again(sql, id)
    assert wait_for(sql, id, token, timeout="1 h")["answer"] == "timed_out"

    assert sql.value(SIGNAL, id, "approved", "1") is False

    sql.finish(token, {"id": id, "state": "failed", "delay": 0})
    assert wait_for(sql, id, claim_again(sql, id), timeout="1 h")["answer"] == "timed_out"


def a_dead_letter_waits_again_for_the_signal_that_it_has_missed(sql: Sql) -> None:
    """If that was why it has failed: else its handler has gone on from there."""
    for error, answer in (("pgqueue.errors.SignalTimeout", "waits"), ("ValueError", "timed_out")):
        id = waiting(sql, timeout="1 h")
        let_time_out(sql, id)
        token = claim_again(sql, id)
        assert wait_for(sql, id, token)["answer"] == "timed_out"
        sql.finish(token, {"id": id, "state": "failed", "error": {"type": error}, "final": True})
        sql.value("select id from retry(%s)", id)

        assert wait_for(sql, id, claim_again(sql, id), timeout="1 h")["answer"] == answer, error


def a_wait_that_the_handler_has_passed_stays_over(sql: Sql) -> None:
    """It went on after the first signal had not come, and failed because of the second: a retry waits for that one alone."""
    id, token = sql.running()
    for name in ("first", "second"):
        assert wait_for(sql, id, token, name, "0 s")["answer"] == "timed_out"
    sql.finish(token, {"id": id, "state": "failed", "error": {"type": "pgqueue.errors.SignalTimeout"}, "final": True})
    sql.value("select id from retry(%s)", id)

    token = claim_again(sql, id)
    assert [wait_for(sql, id, token, name, "1 h")["answer"] for name in ("first", "second")] == ["timed_out", "waits"]


def the_time_of_a_wait_counts_from_its_first_call(sql: Sql) -> None:
    """A run that comes back meanwhile waits for the rest of it."""
    id, token = sql.running()
    first = wait_for(sql, id, token, timeout="1 h")["until"]
    sql.finish(token, {"id": id, "state": "failed", "delay": 0})

    assert wait_for(sql, id, claim_again(sql, id), timeout="2 h")["until"] == first


def a_signal_before_the_run_that_would_time_out_is_told(sql: Sql) -> None:
    """The time is over, but the run has not asked yet: the signal was first."""
    id = waiting(sql, timeout="1 h")
    let_time_out(sql, id)
    assert sql.value(SIGNAL, id, "approved", "1") is True

    told = wait_for(sql, id, claim_again(sql, id))
    assert (told["answer"], told["payload"]) == ("signaled", 1)


def a_stale_run_is_told_nothing(sql: Sql) -> None:
    """And changes nothing."""
    id, token = sql.running()
    sql.rows("update job set claim_token = gen_random_uuid()")

    assert wait_for(sql, id, token)["answer"] == "stale"

    assert sql.rows("select * from job_signal") == []


def a_job_waits_until_its_deadline_at_most(sql: Sql) -> None:
    """It does not fail at once because it might wait for longer, and its signal may come before."""
    told = waiting(sql, total_timeout="1 h")
    late = waiting(sql, total_timeout="1 h")
    assert [sql.state(id) for id in (told, late)] == ["scheduled", "scheduled"]
    assert sql.value(SIGNAL, told, "approved", None) is True
    assert sql.state(told) == "ready"

    sql.rows("update job set deadline_at = clock_timestamp() - interval '1 s' where id = %s", late)
    sql.value("select promote()")
    assert (sql.state(late), sql.job(late)["reason"]) == ("failed", "timeout")


def a_run_that_comes_back_does_not_wait_any_more(sql: Sql) -> None:
    """A signal does not cut short the delay of a retry, whatever the job waited for before."""
    id = waiting(sql)
    sql.value("select retry(%s)", id)
    sql.finish(claim_again(sql, id), {"id": id, "state": "failed", "delay": 3600})
    assert "waits_for" not in (sql.job(id)["control"] or {})

    assert sql.value(SIGNAL, id, "approved", None) is True

    assert sql.state(id) == "scheduled"


def what_belongs_to_no_job_is_pruned(sql: Sql) -> None:
    """The steps and signals of a job go when the history does not keep it any more, and not before."""
    kept = {state: sql.running() for state in ("running", "succeeded", "failed")}
    gone = sql.running()
    for id, token in (*kept.values(), gone):
        sql.value(SAVE, id, token, "charge", "1")
        sql.value(SIGNAL, id, "approved", "1")
    for state in ("succeeded", "failed"):
        id, token = kept[state]
        sql.finish(token, {"id": id, "state": state, "final": True})
    sql.finish(gone[1], {"id": gone[0], "state": "succeeded"})
    sql.rows("delete from job_history where id = %s", gone[0])
    sql.value("select maintain()")
    assert sql.value("select count(*) from job_step") == 4, "what was written lately is not looked at"

    age_steps(sql)
    sql.value("select maintain()")

    ids = sorted(id for id, _ in kept.values())
    for table in ("job_step", "job_signal"):
        assert sql.value(f"select array_agg(job_id order by job_id) from {table}") == ids


def age_steps(sql: Sql) -> None:
    """Time travel: they were written before what the history keeps."""
    sql.rows("update job_step set started_at = started_at - interval '8 days', ended_at = ended_at - interval '8 days'")
    sql.rows("update job_signal set ended_at = ended_at - interval '8 days', waited_at = waited_at - interval '8 days'")


def pruning_passes_what_is_kept(sql: Sql) -> None:
    """Old steps of live jobs hide nothing behind them: call after call it goes on, and begins anew at the end."""
    for _ in range(6):
        id, token = sql.running()
        sql.value(SAVE, id, token, "charge", "1")
    sql.rows(
        "insert into job_step select 1000000 + n, 'charge', null, clock_timestamp(), clock_timestamp(), 1 "
        "from generate_series(1, 3) n"
    )
    age_steps(sql)

    more = [sql.value("select prune_steps(7, 2)") for _ in range(6)]

    assert sql.value("select count(*) from job_step") == 6
    assert more == [False, False, True, False, False, False], "there is a hurry only where something was deleted"
    assert sql.value("select steps_from from upkeep") < 1000000


def limits_are_free_while_a_job_waits(sql: Sql) -> None:
    """Its place is free at once, whatever its limits say of retries, and it takes its turn when it comes back."""
    sql.value("select set_limit('key', max_running => 1, retry_blocks => true)")
    first, second = (sql.enqueue(limits=["key"]) for _ in range(2))
    token, rows = sql.claim(sql.worker())
    assert [row["id"] for row in rows] == [first]
    end_waiting(sql, first, token)

    token, rows = sql.claim(sql.worker())
    assert [row["id"] for row in rows] == [second]
    assert sql.value(SIGNAL, first, "approved", None) is True
    assert sql.claim(sql.worker())[1] == []
    sql.finish(token, {"id": second, "state": "succeeded"})
    assert [row["id"] for row in sql.claim(sql.worker())[1]] == [first]


def json_of(value: Any) -> str:
    """As JSON text."""
    return json.dumps(value)
