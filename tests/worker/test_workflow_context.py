"""`ctx.workflow`: what a handler adds to its own workflow is there once its job has succeeded, and only then."""

import asyncio
import threading
from typing import Any

import pytest

from pgqueue import Cancel, JobContext, PgQueue, Snooze, chain, group
from pgqueue.errors import AlreadyFinished, InvalidArgument, NoWorkflow, PgQueueError
from pgqueue.workflow.own_workflow import OwnWorkflow
from tests.looking import Look
from tests.worker.conftest import burst


@pytest.fixture(autouse=True)
def _no_drift(look: Look) -> Any:
    yield
    assert look.rows("select * from workflow_drift()") == []


@pytest.fixture
def ran(async_app: PgQueue) -> list[str]:
    """What the task `note` was called with, and the list of what `gather` got."""
    ran: list[str] = []

    @async_app.task
    async def note(text: str) -> str:
        ran.append(text)
        return text.upper()

    @async_app.task
    async def gather(texts: list[str]) -> None:
        ran.append(" ".join(texts))

    return ran


async def test_a_plain_job_is_told_how_to_become_a_node(async_app: PgQueue) -> None:
    errors: list[Exception] = []

    @async_app.task
    async def alone(ctx: JobContext) -> None:
        try:
            ctx.workflow.add(alone.si())
        except PgQueueError as error:
            errors.append(error)

    job = alone.enqueue()
    await burst(async_app)
    (error,) = errors
    assert isinstance(error, NoWorkflow)
    assert str(error) == (
        f"ctx.workflow: job {job.id} is not part of a workflow; enqueue it in a chain or a group, or by app.workflow(…)"
    )


async def test_a_handler_knows_its_workflow(async_app: PgQueue) -> None:
    seen: list[Any] = []

    @async_app.task
    def here(ctx: JobContext) -> None:
        seen.append((ctx.workflow.id, ctx.workflow.name, ctx.workflow.node))

    flow = async_app.workflow("import")
    flow.add(here, name="first")
    added = flow.enqueue()
    await burst(async_app)
    assert seen == [(added.id, "import", "first")]


async def test_what_is_added_runs_after_the_job_and_before_what_waits_for_it(async_app: PgQueue, ran: list[str]) -> None:
    note = async_app.tasks["note"]

    @async_app.task
    async def join(ctx: JobContext) -> None:
        ran.append(" ".join(f"{name}={parent.result}" for name, parent in sorted(ctx.parents.items())))

    @async_app.task
    async def split(ctx: JobContext) -> str:
        for text in ("a", "b"):
            ctx.workflow.add(note.si(text), name=text, before=["join"])
        return "split"

    flow = async_app.workflow("import")
    flow.add(split, name="split")
    flow.add(join, name="join", after=["split"])
    flow.enqueue()
    await burst(async_app)
    assert sorted(ran[:2]) == ["a", "b"]
    assert ran[2:] == ["a=A b=B split=split"]


async def test_any_canvas_can_be_added_and_its_first_calls_take_the_jobs_result(async_app: PgQueue, ran: list[str]) -> None:
    note, gather = async_app.tasks["note"], async_app.tasks["gather"]

    @async_app.task
    async def start(ctx: JobContext) -> str:
        end = ctx.workflow.add(chain(group(note.s(), note.si("b")), gather.s()))
        ctx.workflow.add(note, ("last",), after=end)
        return "a"

    group(start.s()).enqueue()
    await burst(async_app)
    assert sorted(ran[:2]) == ["a", "b"]
    assert ran[2:] == ["A B", "last"]


@pytest.mark.parametrize("kind", ["fails", "cancels", "snoozes"])
async def test_what_a_run_adds_is_dropped_when_it_does_not_succeed(
    async_app: PgQueue, look: Look, ran: list[str], kind: str
) -> None:
    note = async_app.tasks["note"]

    @async_app.task(retry=0)
    async def start(ctx: JobContext) -> Any:
        ctx.workflow.add(note.si("added"))
        if kind == "fails":
            raise ValueError
        return Cancel("no") if kind == "cancels" else Snooze(0) if len(ran) == 0 and not ran.append("snoozed") else None  # type: ignore[func-returns-value]

    group(start.s()).enqueue()
    await burst(async_app)
    if kind == "snoozes":  # the second run adds once
        assert ran == ["snoozed", "added"]
    else:
        assert ran == []


async def test_a_transaction_commits_what_was_added_with_the_job(async_app: PgQueue, ran: list[str]) -> None:
    note = async_app.tasks["note"]
    errors: list[Exception] = []

    @async_app.task
    async def start(ctx: JobContext) -> None:
        ctx.workflow.add(note.s())
        async with ctx.transaction() as tx:
            tx.result = "in the transaction"
        try:
            ctx.workflow.add(note.si("too late"))
        except AlreadyFinished as error:
            errors.append(error)

    group(start.s()).enqueue()
    await burst(async_app)
    assert ran == ["in the transaction"]
    assert "was finished by ctx.transaction(); add to its workflow before that" in str(errors[0])


async def test_a_block_that_is_rolled_back_adds_nothing(async_app: PgQueue, look: Look, ran: list[str]) -> None:
    note = async_app.tasks["note"]

    @async_app.task(retry=0)
    def start(ctx: JobContext) -> None:
        ctx.workflow.add(note.s())
        with ctx.transaction():
            raise ValueError

    group(start.s()).enqueue()
    await burst(async_app)
    assert ran == []
    assert look.value("select count(*) from workflow_node") == 1


async def test_what_was_added_in_a_block_that_is_rolled_back_is_dropped_when_the_handler_goes_on(
    async_app: PgQueue, look: Look, ran: list[str]
) -> None:
    note = async_app.tasks["note"]
    errors: list[str] = []

    @async_app.task(retry=0)
    async def start(ctx: JobContext) -> None:
        before = ctx.workflow.add(note.si("before"), name="before")
        try:
            async with ctx.transaction():
                inside = ctx.workflow.add(note.si("inside"), name="inside")
                raise ValueError
        except ValueError:
            pass
        ctx.workflow.add(note.si("after"), name="inside", after=before)
        try:
            ctx.workflow.add(note.si("lost"), after=inside)
        except InvalidArgument as error:
            errors.append(str(error))

    group(start.s()).enqueue()
    await burst(async_app)
    assert ran == ["before", "after"]
    assert len(errors) == 1
    assert look.count("succeeded") == 3


def test_a_block_that_is_rolled_back_can_be_all_that_adds(app: PgQueue, look: Look) -> None:
    @app.task(retry=0)
    def start(ctx: JobContext) -> str:
        try:
            with ctx.transaction():
                ctx.workflow.add(start.si())
                raise ValueError
        except ValueError:
            return "went on"

    flow = group(start.s()).enqueue()
    asyncio.run(burst(app))
    assert flow.result(timeout=0) == ["went on"]


@pytest.mark.parametrize("awaits", [False, True], ids=["at once", "awaits"])
@pytest.mark.parametrize("fails", [False, True], ids=["returns", "raises"])
@pytest.mark.parametrize("adds", [False, True], ids=["had not used it", "had used it"])
async def test_after_its_run_nothing_can_be_added(
    async_app: PgQueue, ran: list[str], adds: bool, fails: bool, awaits: bool
) -> None:
    """Else what a task adds that the handler has left behind would be dropped without a word."""
    kept: list[JobContext] = []

    @async_app.task(retry=0)
    async def start(ctx: JobContext) -> None:
        kept.append(ctx)
        if adds:
            ctx.workflow.add(async_app.tasks["note"].si("added"))
        if awaits:
            await asyncio.sleep(0)
        if fails:
            raise ValueError

    group(start.s()).enqueue()
    await burst(async_app)
    with pytest.raises(AlreadyFinished, match="was finished when its handler ended"):
        kept[0].workflow.add(async_app.tasks["note"].si("too late"))
    assert ran == (["added"] if adds and not fails else [])


async def test_who_uses_its_workflow_for_the_first_time_after_its_transaction_is_told(async_app: PgQueue, ran: list[str]) -> None:
    errors: list[str] = []

    @async_app.task
    async def start(ctx: JobContext) -> None:
        async with ctx.transaction():
            pass
        try:
            ctx.workflow.add(async_app.tasks["note"].si("too late"))
        except AlreadyFinished as error:
            errors.append(str(error))

    group(start.s()).enqueue()
    await burst(async_app)
    assert ["was finished by ctx.transaction(); add to its workflow before that" in error for error in errors] == [True]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"before": ["nobody"]}, "InvalidArgument"),
        ({"before": ["done"]}, "WrongState"),
        ({"name": "done", "after": ()}, "InvalidArgument"),
    ],
    ids=["unknown", "started", "taken"],
)
async def test_what_only_the_database_can_refuse_fails_the_job_alone_and_for_good(
    async_app: PgQueue, look: Look, ran: list[str], options: dict[str, Any], error: str
) -> None:
    note = async_app.tasks["note"]

    @async_app.task
    async def start(ctx: JobContext) -> None:
        ctx.workflow.add(note.si("added"), **options)

    @async_app.task
    async def plain() -> None: ...

    flow = async_app.workflow()
    flow.add(note.si("done"), name="done")
    flow.add(start, after="done")
    flow.enqueue()
    others = plain.enqueue_many([()] * 20)
    await burst(async_app)
    assert ran == ["done"]
    assert look.value("select reason::text from dead_letter") == "system_error"
    assert error in look.value("select errors->-1->>'type' from dead_letter")
    assert [look.state(job.id) for job in others] == ["succeeded"] * 20


async def test_arguments_that_do_not_fit_fail_the_job_for_good(async_app: PgQueue, look: Look, ran: list[str]) -> None:
    @async_app.task
    async def start(ctx: JobContext) -> None:
        ctx.workflow.add(async_app.tasks["note"].si(5))

    group(start.s()).enqueue()
    await burst(async_app)
    assert look.value("select reason::text from dead_letter") == "system_error"


async def test_a_signature_with_a_connection_is_refused(async_app: PgQueue, look: Look, ran: list[str]) -> None:
    @async_app.task
    async def start(ctx: JobContext) -> None:
        ctx.workflow.add(async_app.tasks["note"].using(connection=object()).si("a"))

    group(start.s()).enqueue()
    await burst(async_app)
    assert "adds nodes when the job finishes" in look.value("select errors->-1->>'message' from dead_letter")
    assert look.value("select errors->-1->>'type' from dead_letter").endswith(InvalidArgument.__name__)


@pytest.mark.parametrize("many", [True, False], ids=["many", "few"])
@pytest.mark.parametrize("in_block", [True, False], ids=["block", "no block"])
async def test_many_nodes_are_written_beside_the_event_loop(
    async_app: PgQueue, monkeypatch: pytest.MonkeyPatch, ran: list[str], many: bool, in_block: bool
) -> None:
    note = async_app.tasks["note"]
    written_in: set[bool] = set()
    write = OwnWorkflow._nodes_json

    def watched(own: OwnWorkflow) -> str | None:
        written_in.add(threading.current_thread() is threading.main_thread())
        return write(own)

    @async_app.task
    async def start(ctx: JobContext) -> None:
        for _ in range(2):
            ctx.workflow.add(note.si("added"))
        if in_block:
            async with ctx.transaction():
                pass

    monkeypatch.setattr(OwnWorkflow, "_nodes_json", watched)
    if many:
        monkeypatch.setattr("pgqueue.worker.execute.MANY", 1)
        monkeypatch.setattr("pgqueue.transaction.ending.MANY", 1)
    group(start.s()).enqueue()
    await burst(async_app)
    assert ran == ["added", "added"]
    assert written_in == {not many}
