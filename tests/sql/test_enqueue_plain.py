"""enqueue_plain: the job that enqueue makes without further options."""

from collections.abc import Callable

import pytest

from .conftest import Sql

OTHER = ("id", "run_at", "created_at")  # what two jobs never share
TRACES = ["null", "'null'", "'{}'", """'{"request_id": "r"}'"""]


@pytest.mark.parametrize("trace", TRACES)
def test_it_makes_the_job_that_enqueue_makes(rolled_back_sql: Sql, trace: str) -> None:
    sql = rolled_back_sql
    plain = sql.value(f"""select enqueue_plain('send', '{{"to": 1}}', 'mail', 7, true, {trace})""")
    usual = sql.value(f"""select enqueue('send', '{{"to": 1}}', 'mail', 7, trace => {trace})""")

    rows = [sql.rows("select * from job where id = %s", id)[0] for id in (plain, usual)]

    assert {name: rows[0][name] for name in rows[0] if name not in OTHER} == {
        name: rows[1][name] for name in rows[1] if name not in OTHER
    }
    assert sql.value("select run_at <= clock_timestamp() and created_at >= run_at from job where id = %s", plain)


def test_it_refuses_the_trace_that_enqueue_refuses(rolled_back_sql: Sql) -> None:
    plain = rolled_back_sql.refusal("""select enqueue_plain('t', '{}', 'q', 0, true, '{"a": 1}')""")
    usual = rolled_back_sql.refusal("""select enqueue('t', trace => '{"a": 1}')""")

    assert (plain.sqlstate, str(plain).splitlines()[0]) == ("PQ001", str(usual).splitlines()[0])


@pytest.mark.parametrize(
    "given",
    ["null, '{}', 'q', 0", "'t', '[]', 'q', 0", "'t', null, 'q', 0", "'t', '{}', 'no name', 0", "'t', '{}', null, 0",
     "'t', '{}', repeat('q', 101), 0", "'t', '{}', '', 0", "'t', '{}', 'q', 101", "'t', '{}', 'q', null"],
)  # fmt: skip
def test_it_refuses_what_enqueue_refuses(rolled_back_sql: Sql, given: str) -> None:
    plain = rolled_back_sql.refusal(f"select enqueue_plain({given}, true)")
    usual = rolled_back_sql.refusal(f"select enqueue({given})")

    assert (plain.sqlstate, str(plain).splitlines()[0]) == ("PQ001", str(usual).splitlines()[0])


def test_it_measures_arguments_that_are_large(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    large = "jsonb_build_object('text', repeat('x', %s))"

    id = sql.value(f"select enqueue_plain('t', {large}, 'q', 0, true)", 20_000)

    assert sql.value("select args_bytes = octet_length(args::text) from job where id = %s", id)
    assert "bytes of JSON are too many" in str(sql.refusal(f"select enqueue_plain('t', {large}, 'q', 0, true)", 2_000_000))


def test_it_wakes_who_listens_to_the_queue(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    worker = another_sql()
    worker.listen()

    sql.value("select enqueue_plain('send', '{}', 'mail', 0, true)")

    assert worker.wakes(sql) == ["mail"]
