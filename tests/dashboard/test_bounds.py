"""Pages count no more than 10,000 rows of a state, and say where a figure is not the whole."""

import httpx
import pytest

from pgqueue.dashboard.pages import dead_letters, overview
from tests.sql.conftest import Sql

from .forms import text_of

BURY = """
    insert into dead_letter (id, state, reason, error_type, fingerprint, queue, task, args, errors, priority, attempt,
                             max_attempts, rescues, created_at, run_at, finished_at)
    select nextval('job_id_seq'), 'failed', 'error', 'Refused', 'abc', 'mail', 'send', '{}', '[{"message": "m"}]', 0, 1,
           1, 0, now(), now(), now() - n * interval '1 ms' from generate_series(1, %s) n
"""


@pytest.mark.parametrize(("many", "said"), [(10_001, "10,000+"), (9_999, "9,999")])
def test_dead_letters_are_counted_up_to_10_000_beside_the_states_of_jobs(
    http: httpx.Client, sql: Sql, many: int, said: str
) -> None:
    sql.rows(BURY, many)
    assert f"failed {said} " in text_of(http.get("jobs"))


def test_a_question_before_an_operation_counts_up_to_10_000(http: httpx.Client, sql: Sql) -> None:
    sql.rows(BURY, 10_001)
    shown = text_of(http.get("operations/new?do=discard&all=1&q=state:failed"))
    assert "Discard at least 10,000 jobs?" in shown


def test_kinds_of_failures_say_of_how_many_letters_they_tell(
    http: httpx.Client, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "LOOK", 100)
    sql.rows(BURY, 101)
    assert "Looked at the latest 100 dead letters, as far as" in text_of(http.get("dead-letters"))
    assert "No dead letter matches so far" in text_of(http.get("dead-letters?task=rare"))
    one = text_of(http.get("dead-letters/abc"))
    assert "more than 100 jobs" in one
    assert "Figures are those of the latest 100 of this kind" in one


def test_tasks_that_fail_most_say_of_how_many_letters_they_tell(
    http: httpx.Client, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "LOOK", 100)
    sql.enqueue()  # else there is nothing to tell of
    sql.rows(BURY, 101)
    assert "only dead letters since" in text_of(http.get(""))


@pytest.mark.parametrize("many", [10_000, 10_001])
def test_limits_say_that_so_much_runs_that_not_all_of_it_was_looked_at(http: httpx.Client, sql: Sql, many: int) -> None:
    sql.value("select set_limit('api', max_running => 1)")
    sql.rows(
        "insert into job (run_at, created_at, state, task, worker_id, claim_token, claimed_at, attempt) select now(), now(), "
        "'running', 'noop', gen_random_uuid(), gen_random_uuid(), now(), 1 from generate_series(1, %s)",
        many,
    )
    for path in ("limits", "limits/api"):
        assert ("figures may be too low" in text_of(http.get(path))) == (many > 10_000)
