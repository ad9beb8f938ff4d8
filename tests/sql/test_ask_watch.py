"""ask_watch: workers hear which jobs somebody watches."""

from collections.abc import Callable

from .conftest import Sql


def test_workers_hear_the_ids_in_payloads_that_are_short_enough(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    sql.listen()
    another_sql().value("select ask_watch(array(select generate_series(1, 400)))")
    first, second = sorted(sql.wakes(another_sql()), key=len, reverse=True)  # they come in any order
    assert first == "!watch " + ",".join(map(str, range(1, 391)))
    assert second == "!watch " + ",".join(map(str, range(391, 401)))


def test_nobody_is_told_of_no_job(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    sql.listen()
    another_sql().value("select ask_watch('{}')")
    assert sql.wakes(another_sql()) == []
