"""wake_waiters: what processes that wait for results hear."""

from .conftest import Sql


def _heard(sql: Sql) -> list[str]:
    """What arrived before a mark: notifications arrive in order."""
    sql.rows("select pg_notify(channel() || '_done', 'that was all')")
    payloads = []
    for notification in sql.connection.notifies(timeout=10):
        if notification.payload == "that was all":
            break
        payloads.append(notification.payload)
    return payloads


def _listen(sql: Sql) -> None:
    sql.rows(f"listen {sql.value('select channel()')}_done")


def test_waiters_hear_the_ids_in_one_notification(sql: Sql) -> None:
    _listen(sql)
    sql.value("select wake_waiters('{3,1,2}')")
    assert _heard(sql) == ["3,1,2"]


def test_nothing_is_sent_about_nothing(sql: Sql) -> None:
    _listen(sql)
    sql.value("select wake_waiters('{}')")
    assert _heard(sql) == []


def test_long_lists_are_cut_into_payloads_that_postgresql_takes(sql: Sql) -> None:
    _listen(sql)
    ids = list(range(2**63 - 1000, 2**63))

    sql.value("select wake_waiters(%s)", ids)

    payloads = _heard(sql)
    assert len(payloads) == 3
    assert sorted(int(id) for payload in payloads for id in payload.split(",")) == ids


def test_workers_do_not_hear_of_results(sql: Sql) -> None:
    sql.listen()
    sql.value("select wake_waiters('{1}')")
    assert sql.wakes(sql) == []
