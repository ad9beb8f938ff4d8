"""progress: a handler tells how far its job has come."""

from typing import Any

import pytest

from .conftest import Sql


def test_progress_is_shown_with_the_job(sql: Sql) -> None:
    id, token = sql.running()
    assert sql.job(id)["progress"] is None

    assert sql.value("select progress(%s, %s, 3, 10, 'third file')", id, token) is True

    told = sql.job(id)["progress"]
    at = sql.value("select (progress->>'at')::timestamptz - claimed_at < interval '1 min' from job")
    assert ({**told, "at": at}) == {"done": 3, "total": 10, "note": "third file", "at": True}


def test_total_and_note_may_be_left_out(sql: Sql) -> None:
    id, token = sql.running()

    assert sql.value("select progress(%s, %s, 0.5)", id, token) is True

    told = sql.job(id)["progress"]
    assert (told["done"], told["total"], told["note"]) == (0.5, None, None)


def test_a_stale_token_changes_nothing(sql: Sql) -> None:
    id, token = sql.running()
    sql.rows("update job set claim_token = gen_random_uuid()")
    before = sql.rows("select * from job")

    assert sql.value("select progress(%s, %s, 1)", id, token) is False

    assert sql.rows("select * from job") == before


@pytest.mark.one_case
@pytest.mark.parametrize(
    ("arguments", "field", "value"),
    [
        (("-1", None, None), "done", "-1"),
        ((None, None, None), "done", "NULL"),
        (("NaN", None, None), "done", "NaN"),
        (("Infinity", None, None), "done", "Infinity"),
        (("1", "0", None), "total", "0"),
        (("1", "NaN", None), "total", "NaN"),
        (("2", "1", None), "done", "2"),
        (("1", "2", "x" * 1001), "note", "x"),
    ],
    ids=str,
)
def test_what_is_no_progress_is_refused(sql: Sql, arguments: tuple[Any, ...], field: str, value: str) -> None:
    id, token = sql.running()

    refused = sql.refusal("select progress(%s, %s, %s::float8, %s::float8, %s)", id, token, *arguments)

    assert refused.sqlstate == "PQ001"
    assert str(refused).startswith(f"{field}: {value if value == 'NULL' else chr(39) + value}")
    assert sql.job(id)["progress"] is None


def test_a_note_may_have_a_thousand_characters(sql: Sql) -> None:
    id, token = sql.running()

    assert sql.value("select progress(%s, %s, 1, 1, %s)", id, token, "é" * 1000) is True


def test_progress_touches_no_index(sql: Sql) -> None:
    id, token = sql.running()
    sql.rows("select pg_stat_force_next_flush()")
    before = sql.value("select n_tup_hot_upd from pg_stat_user_tables where relname = 'job'")

    with sql.connection.transaction():
        for done in range(10):
            sql.value("select progress(%s, %s, %s, 10)", id, token, done)
        sql.value("select pg_stat_force_next_flush()")

    sql.rows("select pg_stat_clear_snapshot()")
    assert sql.value("select n_tup_hot_upd from pg_stat_user_tables where relname = 'job'") - before == 10


def test_the_history_and_dead_letters_keep_no_progress(sql: Sql) -> None:
    for state in ("succeeded", "failed"):
        id, token = sql.running()
        sql.value("select progress(%s, %s, 1)", id, token)
        sql.finish(token, {"id": id, "state": state, "final": True})

        assert (sql.state(id), sql.job(id)["progress"]) == (state, None)
