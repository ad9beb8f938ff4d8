"""timeout, soft_timeout, expires, total_timeout: as options of one call, of a task and of the app."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pgqueue import PgQueue, Task
from pgqueue.errors import InvalidArgument
from tests.looking import Look

HOUR = timedelta(hours=1)
AT = datetime(2999, 1, 1, tzinfo=UTC)


def stored(welcome: Task[[int], str], look: Look, given: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a job from each way to enqueue."""
    task = welcome.using(**given)
    ids = [task.enqueue(1).id, task.enqueue_many([(2,)])[0].id, task._app.enqueue_many([task.s(3)])[0].id]  # type: ignore[attr-defined]
    ids.append(task.using(unique="until_done").enqueue(4).id)
    task.enqueue_select("select 5 as user_id")
    return [look.job(id) for id in [*ids, look.value("select max(id) from job")]]


@pytest.mark.parametrize(
    ("given", "terms"),
    [
        ({"timeout": 60}, {"timeout": 60}),
        ({"timeout": HOUR, "soft_timeout": 30.5}, {"timeout": 3600, "soft_timeout": 30.5}),
        ({"timeout": 60, "soft_timeout": "50%"}, {"timeout": 60, "soft_timeout": 30}),
        ({"timeout": 60, "soft_timeout": 0}, {"timeout": 60, "soft_timeout": 0}),
        ({"soft_timeout": 30}, {"soft_timeout": 30}),
        ({"expires": 60}, {"expires_after": 60}),
        ({"total_timeout": HOUR}, {"total_timeout": 3600}),
        ({"timeout": 0, "total_timeout": 0, "expires": 0, "soft_timeout": 0}, None),
        ({"soft_timeout": "50%"}, None),  # of no timeout
        ({"expires": AT}, None),
        ({}, None),
    ],
)
def test_limits_reach_the_job_whatever_way_it_is_enqueued(
    welcome: Task[[int], str], look: Look, given: dict[str, Any], terms: dict[str, Any] | None
) -> None:
    rows = stored(welcome, look, given)

    assert [row["terms"] for row in rows] == [terms] * len(rows)
    assert {row["expires_at"] is not None for row in rows} == {bool(given.get("expires"))}
    assert {row["deadline_at"] is not None for row in rows} == {bool(given.get("total_timeout"))}
    if given.get("expires") == AT:
        assert {row["expires_at"] for row in rows} == {AT}


def test_a_task_has_limits_that_a_call_may_change_or_remove(app: PgQueue, look: Look) -> None:
    @app.task(timeout=60, soft_timeout="50%", expires=HOUR, total_timeout=7200)
    def slow() -> None: ...

    assert look.job(slow.enqueue().id)["terms"] == {
        "timeout": 60, "soft_timeout": 30, "expires_after": 3600, "total_timeout": 7200,
    }  # fmt: skip
    assert look.job(slow.using(timeout=10, expires=0, total_timeout=0).enqueue().id)["terms"] == {
        "timeout": 10,
        "soft_timeout": 5,
    }
    assert look.job(slow.using(timeout=0, expires=0, total_timeout=0).enqueue().id)["terms"] is None


def test_an_app_has_limits_that_a_task_may_change(database_url: str, look: Look) -> None:
    app = PgQueue(database_url, timeout=60, soft_timeout="25%")

    @app.task
    def usual() -> None: ...

    @app.task(timeout=0)
    def unlimited() -> None: ...

    with closing(app):
        assert look.job(usual.enqueue().id)["terms"] == {"timeout": 60, "soft_timeout": 15}
        assert look.job(unlimited.enqueue().id)["terms"] is None


def test_a_soft_timeout_of_the_app_in_seconds_is_none_for_a_task_with_a_shorter_timeout(database_url: str, look: Look) -> None:
    app = PgQueue(database_url, soft_timeout=60)

    @app.task(timeout=30)
    def short() -> None: ...

    @app.task(timeout=timedelta(minutes=2))
    def long() -> None: ...

    with closing(app):
        assert look.job(short.enqueue().id)["terms"] == {"timeout": 30}
        assert look.job(long.enqueue().id)["terms"] == {"timeout": 120, "soft_timeout": 60}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"timeout": "1 minute"}, "timeout: '1 minute' is not valid; use a timedelta or a number of seconds"),
        (
            {"soft_timeout": "80"},
            "soft_timeout: '80' is not valid; use seconds, a timedelta, or a share of the timeout such as '80%'",
        ),
        ({"soft_timeout": "120%"}, "soft_timeout: '120%' is not valid"),
        ({"soft_timeout": "x%"}, "soft_timeout: 'x%' is not valid"),
        ({"expires": datetime(2999, 1, 1)}, "expires: 2999-01-01T00:00:00 has no time zone"),
        ({"expires": -1}, "expires: -1 is not valid; use a time with a time zone, or 0 or more seconds"),
        ({"total_timeout": True}, "total_timeout: True is not valid"),
        ({"timeout": -1}, "timeout: -1 is not valid; use 0 (no limit) to 1000 years"),
        ({"timeout": 1e12}, "timeout: 1000000000000.0 is not valid; use 0 (no limit) to 1000 years"),
        ({"timeout": 5, "soft_timeout": 6}, "soft_timeout: '0:00:06' is not valid; the timeout is 0:00:05"),
    ],
)
def test_an_invalid_limit_is_refused(welcome: Task[[int], str], look: Look, given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        welcome.using(**given).enqueue(1)

    assert str(refused.value).startswith(message)
    assert look.value("select count(*) from job") == 0


def test_a_signature_in_a_chain_brings_its_limits(welcome: Task[[int], str], app: PgQueue, look: Look) -> None:
    flow = (welcome.using(timeout=60, expires=HOUR).s(1) | welcome.using(total_timeout=60).si(2)).enqueue()

    terms = look.value("select array_agg(terms order by id) from job where workflow_id = %s", flow.id)
    assert terms == [{"timeout": 60, "expires_after": 3600}, {"total_timeout": 60}]
