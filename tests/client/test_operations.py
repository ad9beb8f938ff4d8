"""Verbs on all jobs of a filter, and handles on the operations that they are."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from pgqueue import InvalidArgument, JobNotFound, PgQueue, ResultTimeout, Retry
from pgqueue.control.operation import Operation
from pgqueue.errors import WrongState
from tests.looking import Look


@pytest.fixture
def look(connection: psycopg.Connection[Any]) -> Look:
    """Looks at the test's database."""
    return Look(connection)


def waiting(look: Look, count: int, queue: str = "mail") -> None:
    """So many jobs that wait."""
    look.rows("select enqueue('send', queue => %s) from generate_series(1, %s)", queue, count)


def test_jobs_of_a_filter_are_cancelled(app: PgQueue, look: Look) -> None:
    waiting(look, 3)
    waiting(look, 1, "other")

    now = app.jobs(queue="mail").cancel(by="ann", reason="wrong customers").status

    assert (now.kind, now.state, now.matched, now.did, now.left_over) == ("cancel", "done", 3, {"cancelled": 3}, 0)
    assert (now.by, now.reason, now.dry_run, now.per_second) == ("ann", "wrong customers", False, None)
    assert look.count("ready") == 1


async def test_each_verb_has_its_async_twin(app: PgQueue, look: Look) -> None:
    waiting(look, 3)
    jobs = app.jobs(queue="mail")

    assert (await (await jobs.aupdate(priority="high")).aresult()).did == {"updated": 3}
    assert (await (await jobs.acancel(dry_run=True)).aresult()).did == {"cancelled": 3}
    assert (await (await jobs.aretry()).aresult()).matched == 0
    assert (await (await jobs.adiscard()).aresult()).matched == 0
    assert [row.kind for row in await app.aoperations()] == ["discard", "retry", "cancel", "update"]
    await app.aclose()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dry_run": "no"}, "dry_run: 'no' is not valid; use True or False"),
        ({"all": "no"}, "all: 'no' is not valid; use True or False"),
        ({"force": "no"}, "force: 'no' is not valid; use True or False"),
        ({"by": 5}, "by: 5 is not valid; use a text"),
        ({"reason": 5}, "reason: 5 is not valid; use a text"),
    ],
)
def test_a_flag_or_a_text_that_is_none_does_nothing(app: PgQueue, look: Look, options: dict[str, Any], message: str) -> None:
    """all="no" would else mean all jobs."""
    waiting(look, 1)

    with pytest.raises(InvalidArgument) as refused:
        app.jobs(queue="mail").cancel(**options)

    assert str(refused.value).startswith(message)
    assert look.count("ready") == 1
    with pytest.raises(InvalidArgument, match="by: 5 is not valid"):
        Operation(app, 1).cancel(by=5)  # type: ignore[arg-type]


def test_jobs_are_changed(app: PgQueue, look: Look) -> None:
    waiting(look, 2)
    at = datetime.now(UTC) + timedelta(hours=1)

    app.jobs(queue="mail").update(args={"n": 1}, priority=7, run_at=at)

    assert look.rows("select distinct args, priority, run_at, state::text from job") == [
        {"args": {"n": 1}, "priority": 7, "run_at": at, "state": "scheduled"}
    ]


def test_a_filter_that_names_nothing_needs_all(app: PgQueue, look: Look) -> None:
    waiting(look, 2)

    with pytest.raises(InvalidArgument, match=r"^filter: '{}' is not valid; it means every job"):
        app.jobs().cancel()
    assert app.jobs().cancel(all=True).status.did == {"cancelled": 2}


@pytest.mark.parametrize(
    ("verb", "options", "field"),
    [
        ("cancel", {"per_second": 0}, "per_second"),
        ("cancel", {"per_second": "fast"}, "per_second"),
        ("cancel", {"per_second": float("nan")}, "per_second"),
        ("cancel", {"by": "x" * 201}, "by"),
        ("cancel", {"reason": "\0"}, "reason"),
        ("cancel", {"force_after": "soon"}, "force_after"),
        ("retry", {"run_after": "soon"}, "run_after"),
        ("update", {}, "spec"),
        ("update", {"priority": "urgent"}, "priority"),
        ("update", {"args": {"n": object()}}, "args"),
        ("update", {"args": [1]}, "args"),
        ("cancel", {"dryrun": True}, "cancel: it has no option 'dryrun'; use by, reason, dry_run"),
        ("discard", {"note": "old"}, "discard: it has no option 'note'; use by"),
    ],
)
def test_what_is_invalid_is_refused_by_name(app: PgQueue, verb: str, options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument, match=rf"^{field}\b"):
        getattr(app.jobs(queue="mail"), verb)(**options)
    assert app.operations() == []


def test_who_watches_an_operation_carries_on_with_it_and_needs_no_worker(app: PgQueue, look: Look) -> None:
    waiting(look, 30)

    seen = [now.done for now in app.jobs(queue="mail").cancel(per_second=40).watch(timeout=30)]

    assert seen == sorted(seen)
    assert seen[-1] == 30
    assert len(set(seen)) >= 3


async def test_async_code_watches_it_too(app: PgQueue, look: Look) -> None:
    waiting(look, 30)

    operation = await app.jobs(queue="mail").acancel(per_second=40)
    seen = [now.done async for now in operation.awatch(timeout=30)]

    assert (seen[-1], operation.is_over) == (30, True)
    await app.aclose()


def test_it_is_paced(app: PgQueue, look: Look) -> None:
    waiting(look, 30)
    began = time.monotonic()

    app.jobs(queue="mail").cancel(per_second=40).result(timeout=30)

    assert time.monotonic() - began > 0.45


def test_one_that_takes_longer_than_the_timeout_goes_on(app: PgQueue, look: Look) -> None:
    waiting(look, 3)
    operation = app.jobs(queue="mail").cancel(per_second=0.01)

    with pytest.raises(ResultTimeout, match=r"^operation 1 was not over within 0\.1 s; it goes on$"):
        operation.result(timeout=0.1)
    with pytest.raises(ResultTimeout):
        asyncio.run(_aresult(app, operation))
    assert not operation.refresh().is_over
    assert [row.id for row in app.operations(only_open=True)] == [1]


async def _aresult(app: PgQueue, operation: Operation) -> None:
    try:
        await operation.aresult(timeout=0.1)
    finally:
        await app.aclose()


def test_one_that_goes_on_can_be_cancelled_once(app: PgQueue, look: Look) -> None:
    waiting(look, 3)
    app.jobs(queue="mail").cancel(per_second=0.01)
    operation = app.operation(1)

    assert operation.cancel(by="ann").status.cancelled_by == "ann"
    assert (operation.status.state, operation.status.left_over, operation.is_over) == ("cancelled", 2, True)
    with pytest.raises(WrongState, match="operation 1 is over"):
        operation.cancel()


def test_an_unknown_one_is_named(app: PgQueue) -> None:
    for look_up in (lambda: app.operation(7).status, lambda: app.operation(7).result(), lambda: app.operation(7).cancel()):
        with pytest.raises(JobNotFound, match="there is no operation 7"):
            look_up()
    with pytest.raises(InvalidArgument, match=r"^operation_id: "):
        app.operation("seven")  # type: ignore[arg-type]


def test_a_retry_takes_the_rules_of_the_tasks_of_the_app(app: PgQueue, look: Look) -> None:
    app.task(name="send", retry=Retry(6))(lambda: None)
    waiting(look, 1)
    app.jobs(queue="mail").cancel()

    app.jobs(queue="mail", state="cancelled").retry(rules="task", run_after=60, keep_attempts=True, force=True)

    assert look.rows("select max_attempts, state::text from job") == [{"max_attempts": 7, "state": "scheduled"}]
    with pytest.raises(InvalidArgument, match=r"^rules: 'mine' is not valid"):
        app.jobs(queue="mail").retry(rules="mine")  # type: ignore[arg-type]
