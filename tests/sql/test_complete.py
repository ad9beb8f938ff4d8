"""complete: one job succeeded."""

from collections.abc import Callable

from .background import Background
from .conftest import Sql
from .plan import plans_of


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


def test_complete_keeps_how_long_the_handler_took(sql: Sql) -> None:
    id, token = sql.running()

    sql.value("select complete(%s, %s, elapsed => 1.5)", id, token)

    assert sql.job(id)["elapsed"] == 1.5


def test_complete_by_a_stale_token_leaves_the_next_owner_alone(sql: Sql) -> None:
    id, token = sql.running()
    sql.rows("update job set claim_token = gen_random_uuid()")
    before = sql.rows("select * from job")

    assert sql.value("select complete(%s, %s, '1')", id, token) == "stale"

    assert sql.rows("select * from job") == before
    assert sql.value("select count(*) from job_result") == 0


def test_complete_waits_for_somebody_who_holds_the_row(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    id, token = sql.running()
    user = another_sql()

    with user.connection.transaction():
        user.rows("select from job where id = %s for update", id)
        complete = Background(another_sql(), "select complete(%s, %s) as said", id, token)
        complete.wait_until_blocked(sql)

    assert complete.rows() == [{"said": None}]
    assert sql.state(id) == "succeeded"


def test_complete_waits_five_seconds_at_most(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    id, token = sql.running()
    user = another_sql()

    with user.connection.transaction():
        user.rows("select from job where id = %s for update", id)
        refused = sql.refusal("select complete(%s, %s)", id, token)

    assert refused.sqlstate == "55P03"
    assert sql.state(id) == "running"


def test_complete_walks_the_primary_key(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id, token = sql.running()

    for verb in ("progress(%s, %s, 1)", "complete(%s, %s)"):
        plans = plans_of(sql, f"select {verb}", id, token)
        assert plans.indexes(sql.connection) == {"job_pkey"}
        assert plans.nodes("SEQSCAN", "BITMAPHEAPSCAN") == []
