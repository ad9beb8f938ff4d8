"""No command shows a secret, unless it is told to."""

import asyncio
import json
import logging

import pytest
from typer.main import get_command

from pgqueue import JobContext, PgQueue, chain
from pgqueue.cli import cli
from pgqueue.redact import MARK
from pgqueue.worker import Worker, WorkerOptions

from ..looking import Look
from .conftest import Run
from .test_failures import _options

SECRET = "hunter2"


@pytest.fixture
def ids(app: PgQueue) -> dict[str, int]:
    """Jobs with secrets in everything that is stored of them."""

    @app.task(log=True)
    async def use(ctx: JobContext, db_password: str, url: str) -> dict[str, str]:
        ctx.log(f"token={db_password}", api_key=db_password, headers={"Cookie": db_password})
        logging.getLogger("shop").warning("pwd: %s", db_password)
        await ctx.aprogress(1, 2, f"token={db_password}")
        await ctx.step("api token", lambda: db_password)
        return {"access_token": db_password, "url": url}

    @app.task(retry=0)
    async def fail(db_password: str, url: str) -> None:
        raise ValueError(f"password='{db_password}' is wrong for {url}")

    @app.task
    async def wait(ctx: JobContext, db_password: str, url: str) -> None:
        await ctx.aprogress(1, 2, f"token={db_password}")
        await ctx.wait_for("card_number", timeout=3600)

    @app.task
    async def nod() -> None: ...

    secret = {"db_password": SECRET, "url": f"http://ada:{SECRET}@host"}
    meta = {"session_id": SECRET}
    jobs = {task.name: task.using(meta=meta).enqueue(**secret).id for task in (use, fail, wait)}
    workflow = chain(fail.s(**secret), nod.si()).enqueue()
    asyncio.run(Worker(app, WorkerOptions(burst=True, handle_signals=False)).run())
    app.signal(jobs["wait"], "card_number", SECRET)
    app.schedules.set("nightly", use.s(**secret), cron="0 2 * * *")
    return jobs | {"later": use.using(run_after=3600, meta=meta).enqueue(**secret).id, "workflow": workflow.id}


def test_no_command_shows_a_secret(run: Run, ids: dict[str, int], look: Look) -> None:
    where = json.dumps({"db_password": SECRET})
    assert run("retry", "--where", where, "--note", f"pwd={SECRET}").code == 0
    assert run("pause", "mail", "--reason", f"the api_key={SECRET} is over").code == 0
    shown = 0
    commands: list[tuple[object, ...]] = [
        ("jobs",), ("dead",), ("dead", "--group"), ("stats",), ("workers",), ("queues",), ("limits",), ("schedules",),
        ("schedule", "nightly"), ("workflows",), ("workflow", ids["workflow"]), ("operations",), ("operation", 1), ("audit",),
        *(("job", id) for name, id in ids.items() if name != "workflow"),
        *(("explain", id) for name, id in ids.items() if name != "workflow"),
        ("job", ids["use"], "--logs"), ("job", ids["use"], "--follow"), ("top", "--once"),
    ]  # fmt: skip
    for command in commands:
        for form in ((), ("--json",)):
            ran = run(*command, *form)
            assert (ran.code, SECRET in ran.out + ran.err) == (0, False), (command, form, ran)
            shown += ran.out.count(MARK)
    assert shown > 60
    assert SECRET not in run("workflow", ids["workflow"], "--mermaid").out
    assert run("top", "--once").out.count(MARK) == 1
    assert SECRET not in run("queues", f"postgresql://ada:{SECRET}@host/db").err
    assert SECRET not in run("enqueue", "use", f'{{"password": "{SECRET}",}}').err
    stored = look.rows("select args->>'db_password' as password from jobs where task = 'use'")
    assert {row["password"] for row in stored} == {SECRET}  # what is stored is as it was


@pytest.mark.parametrize("command", ["doctor", "top", "queues"])
def test_what_says_what_is_paused_shows_no_secret_of_the_reason(run: Run, app: PgQueue, look: Look, command: str) -> None:
    app.pause("mail", reason=f"password={SECRET} is wrong")
    look.rows("update pause set paused_at = now() - interval '2 days'")
    for form in ((), ("--json",)):
        ran = run(command, *form)
        assert (SECRET in ran.out + ran.err, MARK in ran.out) == (False, True), ran


def test_secrets_are_shown_on_request_and_names_may_be_others(
    run: Run, ids: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = run("job", ids["use"], "--json", "--show-secrets").lines[0]
    assert (shown["args"]["db_password"], shown["result"]["access_token"]) == (SECRET, SECRET)
    assert run("job", ids["use"], "--json").lines[0]["args"] == {"db_password": MARK, "url": f"http://ada:{MARK}@host"}
    assert run("schedules", "--show-secrets", "--json").lines[0]["definition"]["job"]["args"]["db_password"] == SECRET

    monkeypatch.setenv("PGQUEUE_REDACT", "access_token, url")
    row = run("job", ids["use"], "--json").lines[0]
    assert (row["args"], row["result"]["access_token"]) == ({"db_password": SECRET, "url": MARK}, MARK)


def test_every_command_that_prints_json_can_be_told_to_show_secrets() -> None:
    options: dict[tuple[str, ...], set[str]] = {}
    for path, name in _options(get_command(cli), ()):
        options.setdefault(path, set()).add(name)
    printing = {path for path, names in options.items() if "--json" in names}
    assert len(printing) > 30
    assert {path for path, names in options.items() if "--show-secrets" in names} == printing
