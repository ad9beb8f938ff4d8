"""Hostile texts in a worker: nothing is looked up but registered tasks, nothing evaluated."""

import json
import sys
from typing import Any

from pgqueue import PgQueue
from tests.looking import Look
from tests.waiting import auntil
from tests.worker.conftest import burst, working

from .conftest import DEEP, OBEYED, TEXTS, Run, named


async def test_a_worker_imports_nothing_for_a_name(app: PgQueue, look: Look) -> None:
    """Names are looked up among the registered tasks, and nowhere else; what is not there waits."""
    ran: list[str] = []
    app.task(name="known")(lambda: ran.append("known"))
    names = [*TEXTS.values(), "os:system", "builtins.eval", "__import__", "known.__globals__", "tests.cli.jobs:app.pid", "this"]
    for name in ("known", "unknown"):
        look.value("select enqueue(%s)", name)
    await burst(app)  # what the worker imports for itself is there now
    ids = [look.value('select enqueue(%s, \'{"text": "id"}\')', name) for name in names]
    before = set(sys.modules)

    await burst(app)

    assert set(sys.modules) == before
    assert ran == ["known"]
    assert [look.job(id)["state"] for id in ids] == ["ready"] * len(ids)
    assert [look.job(id)["attempt"] for id in ids] == [0] * len(ids)
    assert look.value("select count(*) from job where errors is not null or unknown_since is not null") == 0
    await app.aclose()


async def test_arguments_cannot_become_anything_but_arguments(app: PgQueue, look: Look) -> None:
    """An argument that the handler does not have fails the job; none is evaluated."""
    got: list[Any] = []

    @app.task(retry=0)
    def take(text: Any) -> None:
        got.append(text)

    fine = [take.enqueue({"__class__": "os.system", "py/object": "os.system", "text": text}) for text in TEXTS.values()]
    wrong = [look.value("select enqueue('take', %s::jsonb, retries => 0)", json.dumps({name: 1})) for name in TEXTS.values()]
    await burst(app)
    assert sorted(value["text"] for value in got) == sorted(TEXTS.values())
    assert {look.state(job.id) for job in fine} == {"succeeded"}
    assert {look.state(id) for id in wrong} == {"failed"}
    await app.aclose()


async def test_what_python_cannot_decode_fails_its_own_job(app: PgQueue, look: Look, run: Run) -> None:
    """PostgreSQL stores deeper nesting and longer numbers than Python reads."""
    named(app, "take")
    bad = [
        look.value("select enqueue('take', %s::jsonb, retries => 0)", '{"text": ' + value + "}") for value in (DEEP, "9" * 6000)
    ]
    meta = look.value("select enqueue('take', meta => %s::jsonb)", DEEP)
    fine = look.value("select enqueue('take')")
    listed = run("jobs")
    assert (listed.code, listed.out.count("take")) == (0, 4), "one job does not hide the others"

    await burst(app)

    assert (look.state(meta), look.state(fine)) == ("succeeded", "succeeded")
    states = [look.value("select state::text from jobs where id = %s", id) for id in bad]
    assert states[0] == "failed"
    assert states[1] in ("failed", "succeeded")  # a float will do for some decoders
    for command in (("jobs",), ("jobs", "--json"), ("dead",), ("stats",), ("job", str(bad[0])), ("job", str(meta), "--json")):
        assert run(*command).code == 0
    await app.aclose()


async def test_the_names_of_a_running_worker_are_only_names(app: PgQueue, look: Look, run: Run) -> None:
    named(app, "fine")
    name = " ".join(TEXTS.values())
    async with working(app, name=name, queues=((TEXTS["sql"], 1.0), (TEXTS["python format"], 2.0))):
        await auntil(lambda: look.value("select count(*) from worker where name = %s", name), "the worker")
        ran = run("workers")
    assert ran.code == 0
    assert not set(ran.out) & OBEYED
    await app.aclose()
