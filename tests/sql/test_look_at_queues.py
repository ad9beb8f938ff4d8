"""look_at_queues: how many workers look at the queues of a worker."""

import pytest

from .conftest import Sql

PEERS = "select peers from look_at_queues(%s::text[])"


@pytest.mark.parametrize(
    ("queues", "peers"),
    [(["mail"], 1), (["default"], 3), (["default", "mail"], 1), (["other"], 1), ([], 1)],
)
def test_the_queue_that_the_fewest_active_workers_serve_counts(rolled_back_sql: Sql, queues: list[str], peers: int) -> None:
    sql = rolled_back_sql
    for served in (("default",), ("default",), ("default", "mail"), ("mail",)):
        worker = sql.worker(queues=served)
    sql.rows("update worker set state = 'lost' where id = %s", worker)

    assert sql.value(PEERS, queues) == peers


@pytest.mark.parametrize("why", ["draining = true", "told = 'drain'", "told = 'restart'"])
def test_a_worker_that_drains_looks_at_no_queue(rolled_back_sql: Sql, why: str) -> None:
    sql = rolled_back_sql
    for _ in range(3):
        worker = sql.worker()
    sql.rows(f"update worker set {why} where id = %s", worker)
    assert sql.value(PEERS, ["default"]) == 2
