"""The spans of OpenTelemetry: which there are, what they say, and how they belong together."""

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.trace import NonRecordingSpan, NoOpTracer, NoOpTracerProvider, SpanContext, SpanKind, StatusCode, Tracer

from pgqueue import JobContext, JobFailed, JobNotFound, PgQueue, chain
from pgqueue.tracing import broken, provider, request_id
from pgqueue.worker import in_process
from tests.looking import Look
from tests.tracing import process_jobs
from tests.tracing.spans import Spans, id_of, parent, said, trace_of
from tests.waiting import auntil
from tests.worker.conftest import burst, working
from tests.worker.jobs import job


def kinds(name: str, **more: Any) -> dict[str, Any]:
    """The attributes that all spans of an operation have."""
    return {
        "messaging.system": "pgqueue",
        "messaging.operation.name": name,
        "messaging.operation.type": name,
        "messaging.destination.name": "mail",
        **{key.replace("__", "."): value for key, value in more.items()},
    }


async def test_a_job_has_the_spans_of_the_conventions(app: PgQueue, spans: Spans) -> None:
    @app.task(queue="mail")
    async def greet() -> None: ...

    added = await greet.aenqueue()
    await burst(app)
    id = {"messaging__message__id": str(added.id)}
    all_of_it = {span.name: (span.kind, said(span)) for span in spans.all()}

    (worker_id,) = {said(span)["messaging.client.id"] for span in spans.all("receive")}
    assert len(worker_id) == 36
    assert all_of_it == {
        "send mail": (SpanKind.PRODUCER, kinds("send", pgqueue__task="greet", **id)),
        "receive mail": (SpanKind.CLIENT, kinds("receive", messaging__client__id=worker_id, **id)),
        "process mail": (
            SpanKind.CONSUMER,
            kinds("process", pgqueue__task="greet", pgqueue__attempt=1, pgqueue__outcome="succeeded", **id),
        ),
        "settle mail": (SpanKind.CLIENT, kinds("settle", **id)),
    }
    assert len({trace_of(span) for span in spans.all()}) == 1


@pytest.mark.parametrize("executor", ["async", "thread", "process"])
async def test_one_trace_goes_from_a_request_to_the_handler_and_to_its_children(
    app: PgQueue, spans: Spans, monkeypatch: pytest.MonkeyPatch, executor: str
) -> None:
    child = app.task(process_jobs.child.function)
    if executor == "process":
        spread: Any = app.task(executor="process")(process_jobs.spread.function)
        monkeypatch.setattr(process_jobs, "spread", spread)
    elif executor == "thread":

        @app.task
        def spread() -> None:
            child.enqueue()
    else:

        @app.task
        async def spread() -> None:
            await child.aenqueue()

    token = request_id.set("r-7")
    with trace.get_tracer("web").start_as_current_span("request") as request:
        await spread.aenqueue()
    request_id.reset(token)
    await burst(app)

    ends = spans.all("send") + spans.all("process")
    assert {trace_of(span) for span in ends} == {request.get_span_context().trace_id}
    assert {said(span)["messaging.message.conversation_id"] for span in ends} == {"r-7"}
    sent, run = spans.all("send")[0], spans.all("process")[0]
    assert (parent(sent), parent(run)) == (request.get_span_context().span_id, id_of(sent))
    if executor == "process":  # there is no SDK in it: the trace passes through unchanged
        _, added = spans.all("process")
        assert parent(added) == id_of(run)
    else:
        (_, sent_again), (_, added) = spans.all("send"), spans.all("process")
        assert (parent(sent_again), parent(added)) == (id_of(run), id_of(sent_again))


def test_a_process_with_an_sdk_goes_on_with_the_trace_of_its_run(spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own spans, and what it enqueues, belong to the run; nothing of it is left for the next one."""
    monkeypatch.setattr(in_process, "_setup", in_process.Setup("postgresql://of/worker", "of_worker", None))
    path = ("tests.tracing.process_jobs", "look_into")
    for trace_of_run in ('{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}', "{}"):
        in_process.run(*path, in_process.to_json(job(task="look_into")), trace_of_run)
    first, second = spans.all("own")

    assert (trace_of(first), parent(first)) == (0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331)
    assert parent(second) is None


async def test_a_job_that_brings_no_trace_has_a_span_too(app: PgQueue, spans: Spans, look: Look) -> None:
    """Such as one that SQL has enqueued. Most of them start without a coroutine of ours, if there is no SDK."""

    @app.task(queue="mail")
    async def greet() -> None: ...

    look.value("select enqueue('greet', queue => 'mail')")
    await burst(app)

    assert parent(spans.one("process mail")) is None


async def test_spans_of_many_jobs_are_linked_to_theirs(app: PgQueue, spans: Spans) -> None:
    @app.task(queue="mail")
    async def greet(number: int) -> None: ...

    await greet.aenqueue_many([(1,), (2,), (3,)])
    await burst(app)
    sent, claimed = spans.one("send mail"), spans.one("receive mail")
    finished = sum(said(span).get("messaging.batch.message_count", 1) for span in spans.all("settle mail"))

    assert said(sent)["messaging.batch.message_count"] == said(claimed)["messaging.batch.message_count"] == finished == 3
    assert [link.context.span_id for link in claimed.links] == [id_of(sent)] * 3
    assert {parent(span) for span in spans.all("process")} == {id_of(sent)}
    assert (parent(claimed), trace_of(claimed) != trace_of(sent)) == (None, True)


async def test_every_way_to_enqueue_gives_its_span_to_its_jobs(app: PgQueue, spans: Spans, look: Look) -> None:
    @app.task(queue="mail")
    async def greet(number: int) -> int:
        return number

    ways: list[Callable[[], object]] = [
        lambda: greet.enqueue(1),
        lambda: greet.using(unique="until_done").enqueue(2),
        lambda: greet.enqueue_many([(3,), (4,)]),
        lambda: greet.enqueue_select("select n as number from generate_series(5, 6) n"),
        lambda: app.enqueue_many([greet.s(7), greet.using(queue="other").s(8)]),
        lambda: chain(greet.s(9), greet.s()).enqueue(),
    ]
    for way in ways:
        last = look.value("select coalesce(max(id), 0) from job")
        way()
        rows = look.rows("select terms->'trace'->>'traceparent' as told from job where id > %s", last)
        sent = spans.all("send")[-1]
        assert {row["told"][:52] for row in rows} == {f"00-{trace_of(sent):032x}-{id_of(sent):016x}"}
    counts = [said(span).get("messaging.batch.message_count") for span in spans.all("send")]

    assert counts == [None, None, 2, 2, 2, None]
    assert [span.name for span in spans.all("send")] == ["send mail"] * 4 + ["send", "send mail"]
    assert "pgqueue.workflow_id" in said(spans.all("send")[-1])


async def test_nodes_that_a_handler_adds_belong_to_its_run(app: PgQueue, spans: Spans) -> None:
    @app.task
    async def added() -> None: ...

    @app.task
    async def first(ctx: JobContext) -> None:
        ctx.workflow.add(added)

    await chain(first.s(), added.si()).aenqueue()
    await burst(app)
    first_run, *others = spans.all("process")

    assert {parent(run) for run in others} == {id_of(first_run), id_of(spans.one("send"))}


async def test_a_run_that_fails_says_why(app: PgQueue, spans: Spans) -> None:
    @app.task(retry=0)
    async def broken_task() -> None:
        raise KeyError("no such user")

    added = await broken_task.aenqueue()
    await burst(app)
    run = spans.one("process")
    (event,) = run.events

    assert (said(run)["error.type"], said(run)["pgqueue.outcome"], run.status.status_code) == (
        "KeyError",
        "failed",
        StatusCode.ERROR,
    )
    assert event.attributes is not None
    assert 'raise KeyError("no such user")' in str(event.attributes["exception.stacktrace"])
    with pytest.raises(JobFailed):
        await added.aresult()


async def test_an_enqueue_that_is_refused_says_why(app: PgQueue, spans: Spans) -> None:
    @app.task(queue="mail")
    async def greet(number: int) -> None: ...

    with pytest.raises(JobNotFound):
        greet.using(depends_on=12345).enqueue(1)

    assert said(spans.one("send mail"))["error.type"] == "pgqueue.errors.JobNotFound"


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_run_that_is_ended_by_its_timeout_has_failed(app: PgQueue, spans: Spans, is_async: bool) -> None:
    """That in a thread goes on when its job is over; its span ends with it."""
    gate = threading.Event()

    async def aslow() -> None:
        await asyncio.sleep(60)

    def slow() -> None:
        gate.wait(60)

    task = app.task(timeout=0.05, retry=0)(aslow if is_async else slow)
    added = await task.aenqueue()
    async with working(app):
        with pytest.raises(JobFailed):
            await added.aresult(timeout=20)
        gate.set()
        await auntil(lambda: spans.all("process"), "the span has ended")

    run = said(spans.one("process"))
    assert (run["error.type"], run["pgqueue.outcome"]) == ("pgqueue.errors.Timeout", "failed")


async def test_metrics_count_what_was_sent_claimed_and_run(app: PgQueue, spans: Spans) -> None:
    @app.task(queue="mail", retry=0)
    async def greet(number: int) -> None:
        assert number

    await greet.aenqueue_many([(0,), (1,), (2,)])
    await burst(app)
    sent, claimed = spans.points("messaging.client.sent.messages"), spans.points("messaging.client.consumed.messages")
    runs = {point.attributes.get("error.type"): point.count for point in spans.points("messaging.process.duration")}
    calls = {point.attributes["messaging.operation.name"] for point in spans.points("messaging.client.operation.duration")}

    assert [(point.value, point.attributes["messaging.destination.name"]) for point in sent + claimed] == [(3, "mail")] * 2
    assert runs == {None: 2, "AssertionError": 1}
    assert calls == {"send", "receive", "settle"}


class Harmful(SpanProcessor):
    """An SDK with a fault."""

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        raise RuntimeError("start")


async def test_an_sdk_with_a_fault_harms_neither_enqueue_nor_job(
    app: PgQueue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    harmful = TracerProvider(shutdown_on_exit=False)
    harmful.add_span_processor(Harmful())
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", harmful)
    monkeypatch.setattr(broken, "_failed", set())

    @app.task
    async def greet() -> str:
        return "hello"

    with caplog.at_level(logging.WARNING, "pgqueue.tracing"):
        added = await greet.aenqueue()
        await burst(app)

    assert await added.aresult() == "hello"
    assert [record.message for record in caplog.records if record.name == "pgqueue.tracing"] == [
        "OpenTelemetry: a span failed; this is not reported again: RuntimeError('start')"
    ]


class Faulty(NonRecordingSpan):
    """A span each of whose methods fails."""

    def set_attribute(self, key: str, value: Any) -> None:
        raise RuntimeError("set")

    set_status = add_event = set_attribute  # type: ignore[assignment]


class Faults(NoOpTracerProvider):
    """Has only faulty spans, and cannot send them."""

    def get_tracer(self, *args: Any, **kwargs: Any) -> Tracer:
        tracer: Any = NoOpTracer()
        tracer.start_span = lambda *args, **kwargs: Faulty(SpanContext(1, 2, is_remote=False))
        return tracer  # type: ignore[no-any-return]

    def force_flush(self, timeout: int) -> None:
        raise RuntimeError("flush")


async def test_a_span_with_a_fault_harms_neither_enqueue_nor_claim_nor_job(app: PgQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", Faults())
    monkeypatch.setattr(broken, "_failed", set())

    @app.task(retry=0)
    async def greet(is_rude: bool) -> str:
        if is_rude:
            raise ValueError("go away")
        return "hello"

    polite, rude = await greet.aenqueue(False), await greet.aenqueue(True)
    await burst(app)
    provider.flush(1)

    assert await polite.aresult() == "hello"
    with pytest.raises(JobFailed, match="go away"):
        await rude.aresult()
    with pytest.raises(JobNotFound):
        await greet.using(depends_on=12345).aenqueue(False)
