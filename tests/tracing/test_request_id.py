"""What travels without an SDK: the id of a request, and the trace that a job brings."""

import contextvars
from typing import Any

import pytest

from pgqueue import PgQueue
from pgqueue.tracing import request_id
from pgqueue.tracing.carried import carry, outgoing
from tests.looking import Look
from tests.worker.conftest import burst

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize("is_async", [True, False])
async def test_the_id_of_a_request_is_around_the_handler_and_goes_on_to_its_children(app: PgQueue, is_async: bool) -> None:
    @app.task
    async def child() -> str | None:
        return request_id.get()

    def spread() -> str | None:
        child.enqueue()
        return request_id.get()

    async def aspread() -> str | None:
        await child.aenqueue()
        return request_id.get()

    token = request_id.set("r-7")
    job = await app.task(aspread if is_async else spread).aenqueue()
    request_id.reset(token)
    await burst(app)

    assert await job.aresult() == "r-7"
    assert await app.job(job.id + 1).aresult() == "r-7"


async def test_a_trace_that_a_job_brings_goes_on_to_its_children_unchanged(app: PgQueue, look: Look) -> None:
    @app.task
    async def child() -> None: ...

    @app.task
    async def spread() -> None:
        await child.aenqueue()

    trace = f'{{"traceparent": "{PARENT}", "tracestate": "a=1", "request_id": "r"}}'
    look.value("select enqueue('spread', trace => %s)", trace)
    await burst(app)

    assert look.value("select terms->'trace' from job_history where task = 'child'") == look.value("select %s::jsonb", trace)


async def test_a_job_does_not_inherit_from_the_one_before_it(app: PgQueue) -> None:
    @app.task
    async def who() -> str | None:
        return request_id.get()

    def enqueue_for(request: str | None) -> Any:
        request_id.set(request)
        return who.enqueue()

    jobs = [contextvars.copy_context().run(enqueue_for, one) for one in ("a", None, "b", None)]
    await burst(app, concurrency=1)

    assert [await job.aresult() for job in jobs] == ["a", None, "b", None]


def test_a_job_without_a_trace_has_no_terms(app: PgQueue, look: Look) -> None:
    @app.task
    def noop() -> None: ...

    noop.enqueue()
    noop.enqueue_many([()])

    assert look.value("select count(*) from job where terms is null") == 2


class Rude:
    """Has no text."""

    def __str__(self) -> str:
        raise ValueError


@pytest.mark.parametrize(("given", "stored"), [("x" * 2000, "x" * 1000), ("a\x00b", "a�b"), (17, "17"), (Rude(), None)])
def test_an_odd_id_of_a_request_fails_no_enqueue(app: PgQueue, look: Look, given: Any, stored: str) -> None:
    @app.task
    def noop() -> None: ...

    def enqueue() -> None:
        request_id.set(given)
        noop.enqueue()

    contextvars.copy_context().run(enqueue)

    assert look.value("select terms->'trace'->>'request_id' from job") == stored


def test_a_tracestate_that_is_too_long_is_left_out() -> None:
    def told() -> dict[str, str]:
        carry({"traceparent": PARENT, "tracestate": "x" * 1001})
        return outgoing()

    assert contextvars.copy_context().run(told) == {"traceparent": PARENT}
