"""The audit log from Python: who acts, and what was done."""

import inspect
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pgqueue import InvalidArgument, JobContext, PgQueue, Task, acting_as
from pgqueue.worker import Worker, WorkerOptions


async def test_what_is_done_in_a_block_is_done_by_whom_it_names(async_app: PgQueue, welcome: Task[[int], str]) -> None:
    app = async_app
    with acting_as("ann"):
        app.limits.set("openai", rate="5/s")
        await app.limits.apark("openai", 60)
        app.cancel(welcome.enqueue(1).id, by="bob", note="his own")
    app.limits.set("openai", rate="6/s")

    newest, *_ = app.audit(by="ann")
    assert (newest.verb, newest.kind, newest.subject) == ("park", "limit", "openai")
    assert [entry.verb for entry in await app.aaudit(by="ann")] == ["park", "set_limit"]
    assert [(entry.by, entry.reason) for entry in app.audit(kind="job")] == [("bob", "his own")]
    (last,) = app.audit(limit=1)
    assert (last.by, last.before["rate"], last.after["rate"]) == (last.role, 5, 6)


def test_entries_are_chosen_by_every_field(app: PgQueue) -> None:
    app.limits.set("openai", rate="5/s")
    app.limits.set("mail", rate="5/s")
    assert [entry.subject for entry in app.audit(subject="mail", verb="set_limit", kind="limit")] == ["mail"]
    assert app.audit(since=datetime.now(UTC) + timedelta(hours=1)) == []
    assert len(app.audit(since=datetime.now(UTC) - timedelta(hours=1))) == len(app.audit(since=-3600)) == 2


@pytest.mark.parametrize(
    "wanted",
    [
        {"verb": "destroy"},
        {"kind": "limits"},
        {"limit": 0},
        {"limit": 10_001},
        {"by": 7},
        {"by": "\x00"},
        {"subject": "\x00"},
        {"subject": ["x"]},
        {"since": datetime(2030, 1, 1)},
        {"since": -1e12},
        {"since": timedelta.min},
        {"by": "a\x00"},
        {"subject": "\ud800"},
    ],
)
def test_a_bad_argument_is_refused_by_name(app: PgQueue, wanted: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument, match=f"^{next(iter(wanted))}: "):
        app.audit(**wanted)


def test_both_forms_take_the_same(app: PgQueue) -> None:
    assert set(inspect.signature(app.audit).parameters) == {"since", "by", "verb", "kind", "subject", "limit"}


async def test_what_a_handler_parks_is_not_kept(async_app: PgQueue) -> None:
    @async_app.task
    async def tell(ctx: JobContext) -> None:
        await ctx.apark("openai", 60)

    async_app.limits.set("openai", rate="5/s")
    tell.enqueue()
    await Worker(async_app, WorkerOptions(burst=True, handle_signals=False)).run()
    assert [entry.verb for entry in async_app.audit()] == ["set_limit"]
    status = await async_app.limits.aget("openai")
    assert status.parked_until is not None
