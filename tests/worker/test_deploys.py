"""Parameters and enums that change between two deploys, while jobs wait: a default helps, or each job that does not fit fails."""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from pydantic import BaseModel
from typing_extensions import TypedDict

from pgqueue import PgQueue, chain
from tests.looking import Look
from tests.waiting import auntil
from tests.worker.conftest import burst, working


class OldColour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class NewColour(enum.Enum):
    RED = "red"
    GREEN = "green"


class RenamedColour(enum.Enum):
    CRIMSON = "red"
    BLUE = "blue"


class OldOrder(BaseModel):
    id: int
    note: str = ""


class NewOrder(BaseModel):
    id: int
    amount: int


class GrownOrder(BaseModel):
    id: int
    note: str = ""
    amount: int = 5


@dataclass
class OldItem:
    name: str
    size: int = 1


@dataclass
class NewItem:
    name: str
    colour: OldColour = OldColour.RED


class OldRow(TypedDict):
    name: str


class NewRow(TypedDict):
    name: str
    size: int


def takes(hint: Any, default: Any = ..., name: str = "value", **more: Any) -> Callable[..., Any]:
    """A handler with one argument of this hint, and others by name and default; it gives back what it got."""
    defaults = {"": default} if default is not ... else {}
    text = f"def handler({name}{' = given' if defaults else ''}{''.join(f', {other} = more[{other!r}]' for other in more)}): "
    space: dict[str, Any] = {"given": default, "more": more}
    exec(text + f"return repr([{', '.join((name, *more))}])", space)
    handler: Callable[..., Any] = space["handler"]
    handler.__annotations__[name] = hint
    return handler


WORKS = {
    "a parameter with a default came": (takes(int), 1, takes(int, name="value", more=7), "[1, 7]"),
    "an enum has another member": (takes(OldColour), OldColour.RED, takes(NewColour), "[<NewColour.RED: 'red'>]"),
    "a member has another name": (takes(OldColour), OldColour.RED, takes(RenamedColour), "[<RenamedColour.CRIMSON: 'red'>]"),
    "a field with a default came": (takes(OldOrder), OldOrder(id=1), takes(GrownOrder), "[GrownOrder(id=1, note='', amount=5)]"),
    "a hint became wider": (takes(int), 1, takes(int | str), "[1]"),
    "a hint became a number with a point": (takes(int), 1, takes(float), "[1.0]"),
    "a field was removed": (
        takes(OldItem),
        OldItem("a", 2),
        takes(NewItem),
        "[NewItem(name='a', colour=<OldColour.RED: 'red'>)]",
    ),
    "a hint was dropped": (takes(OldColour), OldColour.RED, takes(Any), "['red']"),
    "a value may be missing now": (takes(int), 1, takes(int | None, None), "[1]"),
}
FAILS = {
    "a parameter was renamed": (
        takes(int),
        1,
        takes(int, name="number"),
        "misses 'number'; has no argument 'value'; it takes 'number'",
    ),
    "a renamed one has a default": (takes(int), 1, takes(int, 0, name="number"), "has no argument 'value'; it takes 'number'"),
    "a parameter was removed": (takes(int), 1, lambda: None, "has no argument 'value'; it takes none"),
    "a parameter without a default came": (lambda: None, ..., takes(int), "misses 'value'"),
    "a type is another": (takes(str), "x", takes(int), "cannot take value = 'x': Input should be a valid integer"),
    "a member of an enum was removed": (
        takes(OldColour),
        OldColour.BLUE,
        takes(NewColour),
        "cannot take value = 'blue': Input should be 'red' or 'green'",
    ),
    "a literal was removed": (takes(Literal["a", "b"]), "b", takes(Literal["a"]), "cannot take value = 'b': Input should be 'a'"),
    "a field without a default came": (
        takes(OldOrder),
        OldOrder(id=1),
        takes(NewOrder),
        "value.amount = {'id': 1, 'note': ''}: this field is missing",
    ),
    "a key of a TypedDict came": (takes(OldRow), {"name": "a"}, takes(NewRow), "value.size"),
    "a model became a number": (takes(OldOrder), OldOrder(id=1), takes(int), "cannot take value = {'id': 1, 'note': ''}"),
}
cases = ("old", "value", "new", "said")


def enqueue_old(app: PgQueue, old: Callable[..., Any], value: Any, count: int = 1) -> list[int]:
    """Jobs of the deploy before this one."""
    before = PgQueue(app.url)
    task: Any = before.task(name="deployed", retry=0)(old)
    jobs = task.enqueue_many([() if value is ... else (value,)] * count)
    before.close()
    return [job.id for job in jobs]


@pytest.mark.parametrize(cases, WORKS.values(), ids=WORKS.keys())
async def test_a_change_that_the_old_arguments_fit_works(
    async_app: PgQueue, look: Look, old: Callable[..., Any], value: Any, new: Callable[..., Any], said: str
) -> None:
    (id,) = enqueue_old(async_app, old, value)
    async_app.task(name="deployed")(new)
    await burst(async_app)
    assert await async_app.job(id).aresult(timeout=0) == said


@pytest.mark.parametrize(cases, FAILS.values(), ids=FAILS.keys())
async def test_a_change_that_they_do_not_fit_fails_those_jobs_clearly_and_no_other(
    async_app: PgQueue, look: Look, old: Callable[..., Any], value: Any, new: Callable[..., Any], said: str
) -> None:
    ids = enqueue_old(async_app, old, value, count=3)
    async_app.task(name="deployed")(new)
    other = async_app.task(name="other")(takes(int)).enqueue_many([(n,) for n in range(20)])
    await burst(async_app)
    assert [look.state(id) for id in ids] == ["failed"] * 3
    assert [look.state(job.id) for job in other] == ["succeeded"] * 20
    for id in ids:
        (error,) = look.job(id)["errors"]
        assert error["type"] == "pgqueue.errors.InvalidArgument"
        assert error["message"].startswith("args: task 'deployed' ")
        assert said in error["message"]
        assert "\n" not in error["message"]


async def test_a_result_that_no_longer_fits_comes_as_it_is_stored(async_app: PgQueue, look: Look) -> None:
    """Whoever reads it, and a child that takes it, are of the new deploy; the child's hint decides."""

    async def give_old() -> OldColour:
        return OldColour.BLUE

    async def give_new() -> NewColour:
        return NewColour.RED

    before = PgQueue(async_app.url)
    old = before.task(name="give")(give_old)
    jobs = [old.enqueue(), *chain(old.s(), before.task(name="take", retry=0)(takes(OldColour)).s()).enqueue().jobs.values()]
    before.close()
    first = PgQueue(async_app.url)
    first.task(name="give")(give_old)
    await burst(first)
    first.close()
    await first.aclose()
    async_app.task(name="give")(give_new)
    async_app.task(name="take")(takes(NewColour))
    stored: Any = await async_app.job(jobs[0].id).aresult(timeout=0)
    assert stored == "blue"
    look.rows("update job set run_at = clock_timestamp()")
    await burst(async_app)
    assert look.state(jobs[-1].id) == "failed"
    assert "cannot take value = 'blue': Input should be 'red' or 'green'" in look.job(jobs[-1].id)["errors"][-1]["message"]


async def test_a_task_that_was_renamed_waits_for_a_worker_that_has_it(async_app: PgQueue, look: Look) -> None:
    (id,) = enqueue_old(async_app, takes(int), 1)
    async_app.task(name="renamed")(takes(int))
    await burst(async_app)
    assert (look.job(id)["state"], look.job(id)["attempt"]) == ("ready", 0)
    back = PgQueue(async_app.url)
    back.task(name="deployed")(takes(int))
    await burst(back)
    back.close()
    await back.aclose()
    assert await async_app.job(id).aresult(timeout=0) == "[1]"


async def test_a_worker_gives_back_what_it_does_not_know_at_once_and_leaves_it_to_others(async_app: PgQueue, look: Look) -> None:
    """It meets the task after its start, once: from then on its claims pass over such jobs."""
    mine = async_app.task(name="mine")(lambda: None)
    other = PgQueue(async_app.url)
    new = other.task(name="new")(lambda: None)
    async with working(async_app) as worker:
        await auntil(lambda: look.value("select count(*) from worker"), "it is registered")
        first = await new.aenqueue()
        await auntil(lambda: worker._parts.foreign.names, "it has met the task")
        await auntil(lambda: look.state(first.id) == "ready", "it is given back")
        claimed = look.value("select xmin::text from job where id = %s", first.id)
        jobs = [await task.aenqueue() for _ in range(20) for task in (new, mine)]
        await auntil(lambda: look.value("select count(*) from job_history") == 20, "its own jobs are done")
        assert look.value("select xmin::text from job where id = %s", first.id) == claimed, "it was claimed again"
    assert look.rows("select task, state::text, attempt, errors from job group by 1, 2, 3, 4") == [
        {"task": "new", "state": "ready", "attempt": 0, "errors": None}
    ]
    await burst(other)
    assert {look.state(job.id) for job in [first, *jobs]} == {"succeeded"}
    other.close()
    await other.aclose()


async def test_jobs_that_are_there_at_the_start_are_never_claimed(async_app: PgQueue, look: Look) -> None:
    other = PgQueue(async_app.url)
    job = other.task(name="new")(lambda: None).enqueue()
    other.close()
    before = look.value("select xmin::text from job")
    done = async_app.task(name="mine")(lambda: None).enqueue()
    await burst(async_app)
    assert look.state(done.id) == "succeeded"
    assert look.value("select xmin::text from job where id = %s", job.id) == before


async def test_more_tasks_than_it_remembers_are_put_off(async_app: PgQueue, look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgqueue.worker.foreign.MOST", 2)
    async_app.task(name="mine")(lambda: None)
    look.rows("select enqueue('new' || n) from generate_series(1, 4) n")
    await burst(async_app)
    assert look.value("select count(*) from job where state = 'scheduled' and unknown_since is not null") == 2
    assert look.value("select count(*) from job where state = 'ready' and attempt = 0") == 2


def versioned(app: PgQueue, *versions: int) -> dict[int, Any]:
    """The task of these versions; each gives back its version."""
    return {version: app.task(name="send", version=version)(lambda version=version: version) for version in versions}


async def test_during_a_deploy_each_version_runs_its_own_jobs_in_both_directions(async_app: PgQueue, look: Look) -> None:
    """Workers of the old and the new code work beside each other, and code of both enqueues."""
    old = PgQueue(async_app.url)
    tasks = versioned(async_app, 2) | versioned(old, 1)
    async with working(async_app), working(old):
        jobs = [(version, await tasks[version].aenqueue()) for _ in range(50) for version in (1, 2)]
        await auntil(lambda: look.value("select count(*) from job_history") == 100, "all are done")
    assert look.value("select count(*) from job_history where errors is not null or attempt > 1") == 0
    for version, job in jobs[:10]:
        assert await async_app.job(job.id).aresult(timeout=0) == version
    old.close()
    await old.aclose()


async def test_an_app_that_has_both_versions_finishes_what_the_old_one_left(async_app: PgQueue, look: Look) -> None:
    before = PgQueue(async_app.url)
    job = versioned(before, 1)[1].enqueue()
    before.close()
    versioned(async_app, 1, 2)
    await burst(async_app)
    assert await async_app.job(job.id).aresult(timeout=0) == 1
