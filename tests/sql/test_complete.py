"""complete: one job succeeded."""

from .conftest import Sql


def test_a_completed_job_keeps_its_result(sql: Sql) -> None:
    id, token = sql.running()

    assert sql.value("""select complete(%s, %s, '{"n": 1}')""", id, token) is None

    assert sql.state(id) == "succeeded"
    assert sql.value("select value from job_result where job_id = %s", id) == {"n": 1}


def test_complete_without_a_result_stores_none(sql: Sql) -> None:
    id, token = sql.running()

    assert sql.value("select complete(%s, %s)", id, token) is None

    assert sql.state(id) == "succeeded"
    assert sql.value("select count(*) from job_result") == 0


def test_complete_by_a_stale_token_says_so(sql: Sql) -> None:
    id, token = sql.running()
    sql.value("select give_back(%s, %s)", token, [id])

    assert sql.value("select complete(%s, %s)", id, token) == "stale"

    assert sql.state(id) == "ready"


def test_a_handlers_writes_and_its_completion_commit_together_or_not_at_all(sql: Sql) -> None:
    id, token = sql.running()
    sql.rows("create table sent (id bigint)")

    with sql.connection.transaction(force_rollback=True):
        sql.rows("insert into sent values (1)")
        sql.value("select complete(%s, %s, '1')", id, token)
    after_rollback = sql.state(id), sql.value("select count(*) from sent")
    with sql.connection.transaction():
        sql.rows("insert into sent values (1)")
        sql.value("select complete(%s, %s, '1')", id, token)

    assert after_rollback == ("running", 0)
    assert (sql.state(id), sql.value("select count(*) from sent")) == ("succeeded", 1)
