"""Members of the roles do their work and no more: a worker, a producer, and people at the command line."""

import json
import logging
import re
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.errors import InsufficientPrivilege

from pgqueue import JobContext, PgQueue, Retry, Snooze
from pgqueue.database.calls import run as run_calls
from pgqueue.database.calls import workers as worker_calls
from pgqueue.database.grants import remedy
from tests.cli.conftest import run_here
from tests.waiting import auntil
from tests.worker.conftest import burst

from .conftest import Install


@pytest.fixture
def ddl(install: Install) -> Iterator[Callable[[], list[str]]]:
    """From now on DDL is refused outside maintain(); the commands that were let through."""
    with install.as_login(None) as owner:
        owner.execute("create schema watch")
        owner.execute("create table watch.seen (command text)")
        owner.execute(
            """
            create function watch.look() returns event_trigger language plpgsql security definer as $$
            declare
                stack text;
            begin
                get diagnostics stack = pg_context;
                if stack !~ 'function (\\S+\\.)?run_maintain\\(boolean\\)' then
                    raise exception 'DDL at run time: % by %', tg_tag, stack;
                end if;
                insert into watch.seen values (tg_tag);
            end $$"""
        )
        owner.execute("create event trigger watch on ddl_command_start execute function watch.look()")
        try:
            yield lambda: [command for (command,) in owner.execute("select command from watch.seen").fetchall()]
        finally:
            owner.execute("drop event trigger watch")
            owner.execute("drop schema watch cascade")


@pytest.fixture
def lost_partition(install: Install) -> str:
    """A partition of the history that maintain() has to make again; ask for it before `ddl`."""
    name = f"job_history_{datetime.now(UTC) + timedelta(days=3):%Y%m%d}"
    with install.as_login(None) as owner:
        owner.execute(sql.SQL("drop table {}").format(sql.Identifier(name)))
    return name


EXPECTED = {
    "plain": "succeeded", "snoozes": "succeeded", "recovers": "succeeded", "dies": "failed", "later": "succeeded",
    "orphan": "succeeded",
}  # fmt: skip
RUNS = {"plain": 1, "snoozes": 2, "recovers": 2, "dies": 2, "later": 1, "orphan": 1}
# What the run below is warned of, and rightly.
DUE = r"job \d+ failed|1 workers missed their lease|rescued 1 jobs"


def lose_a_worker(install: Install) -> None:
    """A worker that has claimed a job and missed its lease."""
    worker = uuid.uuid4()
    with install.as_login("worker") as connection:
        connection.execute("select register_worker(%s, 'w', 'h', 1, '0', '{}', 1, '1 us')", [worker])
        connection.execute("""select enqueue('child', '{"what": "orphan"}', queue => 'work')""")
        assert connection.execute("select claim(%s, %s, '{work}', 1)", [worker, uuid.uuid4()]).rowcount == 1


async def test_a_worker_needs_no_more_than_its_role(
    install: Install,
    app_of: Callable[[str], PgQueue],
    lost_partition: str,
    ddl: Callable[[], list[str]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A run to the end: register, claim, finish of every kind, promote, sweep, maintain, retire; the only DDL is maintain()'s."""
    app = app_of("worker")
    attempts: dict[str, int] = {}

    @app.task(queue="work", retry=Retry(1, backoff="fixed", delay=0.1))
    async def child(ctx: JobContext, what: str) -> str | Snooze:
        attempts[what] = attempts.get(what, 0) + 1
        if attempts[what] == 1 and what == "snoozes":
            return Snooze(0.1)
        if what == "dies" or (attempts[what] == 1 and what == "recovers"):
            raise ValueError(what)
        return what

    @app.task(queue="work")
    async def parent() -> None:
        for what in ("plain", "snoozes", "recovers", "dies"):
            await child.aenqueue(what)
        child.using(run_after=0.1).enqueue_many([("later",)])
        # The burst goes on while this runs; the orphan comes back from the sweep: mark_lost, rescue, reconcile.
        await auntil(lambda: attempts == RUNS, "every job has run")

    lose_a_worker(install)
    job = parent.enqueue()
    with caplog.at_level(logging.INFO, "pgqueue"):
        await burst(app)
        await app.aclose()

    warned = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert [message for message in warned if not re.match(DUE, message)] == []
    assert job.result(timeout=0) is None
    states = install.rows("select args->>'what', state::text from jobs where task = 'child'")
    assert dict(states) == EXPECTED
    assert install.rows("select count(*) from worker where state = 'active'") == [(0,)]
    assert "CREATE TABLE" in ddl()
    assert install.rows("select to_regclass(%s) is not null", lost_partition) == [(True,)]


def test_the_watch_for_ddl_sees_it(install: Install, ddl: Callable[[], list[str]]) -> None:
    with install.as_login(None) as owner, pytest.raises(psycopg.errors.RaiseException, match="DDL at run time"):
        owner.execute("create table elsewhere ()")


def test_a_claim_as_a_member_does_not_wait_for_the_disk(install: Install, app_of: Callable[[str], PgQueue]) -> None:
    app, id = app_of("worker"), uuid.uuid4()
    with psycopg.connect(install.url_of("worker")) as connection:
        app.database.run(worker_calls.register_worker(id, "w", "h", 1, "0", ["none"], 1, 30), connection)
        assert app.database.run(run_calls.claim(id, id, ["none"], 1, None, None), connection).rows == []
        assert connection.execute("show synchronous_commit").fetchone() == ("off",)
        connection.rollback()


def test_a_producer_enqueues_and_sees_nothing(app_of: Callable[[str], PgQueue], install: Install) -> None:
    app = app_of("producer")

    @app.task(queue="produced")
    def send(to: int) -> None: ...

    job = send.enqueue(1)
    others = send.enqueue_many([(2,), (3,)])
    assert install.rows("select id, args from job where queue = 'produced' order by id") == [
        (job.id, {"to": 1}),
        (others[0].id, {"to": 2}),
        (others[1].id, {"to": 3}),
    ]
    for look in (job.refresh, lambda: job.result(timeout=1), lambda: app.cancel(job.id), lambda: app.retry(job.id)):
        with pytest.raises(InsufficientPrivilege, match="permission denied"):
            look()


@pytest.fixture
def command(
    install: Install, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """Runs a command as one of the logins."""
    monkeypatch.setenv("PGQUEUE_SCHEMA", install.schema)

    def run(name: str, *arguments: object) -> tuple[int, str, str]:
        monkeypatch.setenv("PGQUEUE_DATABASE_URL", install.url_of(name))
        return run_here(capsys, *map(str, arguments))

    return run


Command = Callable[..., tuple[int, str, str]]


def test_a_viewer_sees_everything_and_changes_nothing(install: Install, command: Command) -> None:
    ((job,),) = install.rows("select enqueue('noop', queue => 'seen')")
    for look in ("jobs", "stats", "workers", "dead"):
        assert command("viewer", look)[0] == 0
    assert json.loads(command("viewer", "jobs", "--queue", "seen", "--json")[1])["id"] == job
    assert command("viewer", "job", job)[0] == 0
    for change in (("enqueue", "noop"), ("cancel", job), ("retry", job)):
        code, _, err = command("viewer", *change)
        assert (code, err.count("\n")) == (1, 1)
        assert "permission denied for function" in err
        needed = "producer" if change[0] == "enqueue" else "operator"
        assert f"grant {install.schema}_{needed} to {install.login('viewer')}" in err
        assert f"pgqueue migrate --schema {install.schema} --roles" in err
    assert install.rows("select state::text from job where id = %s", job) == [("ready",)]


def test_an_operator_acts_on_jobs_and_adds_none(install: Install, command: Command) -> None:
    (early,), (late,) = install.rows("select enqueue('noop', queue => 'operated', run_after => '1 h') from generate_series(1, 2)")
    assert command("operator", "retry", early) == (0, f"job {early} runs again\n", "")
    assert command("operator", "cancel", late) == (0, f"job {late} cancelled\n", "")
    assert command("operator", "jobs", "--queue", "operated")[0] == 0
    code, _, err = command("operator", "enqueue", "noop")
    assert code == 1
    assert "permission denied for function enqueue" in err


def test_a_stranger_is_told_so_in_one_line(install: Install, command: Command) -> None:
    for arguments in (("jobs",), ("enqueue", "noop"), ("stats",)):
        code, _, err = command("stranger", *arguments)
        assert (code, err.count("\n")) == (1, 1)
        assert "permission denied for schema" in err
        assert f"grant {install.schema}_producer (to enqueue) or {install.schema}_worker (to run jobs) or " in err


def test_a_worker_with_the_url_of_a_viewer_is_told_the_role_that_it_needs(
    install: Install, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "of_a_viewer.py").write_text("from pgqueue import PgQueue\napp = PgQueue()\n@app.task\ndef noop() -> None: ...\n")
    monkeypatch.chdir(tmp_path)
    code, _, err = command("viewer", "worker", "of_a_viewer:app", "--burst")
    assert (code, "Traceback" in err) == (1, False)
    assert f"grant {install.schema}_worker to {install.login('viewer')}" in err


def test_what_the_application_may_not_read_is_no_matter_of_our_roles() -> None:
    assert remedy("permission denied for table orders", "pgqueue", "ada") is None
    assert remedy("permission denied for sequence x", "pgqueue", "ada") is None
    assert remedy("args: an operator may not", "pgqueue", "ada") is None
    assert remedy("permission denied for view jobs", "My", "Ada") == 'grant "My_viewer" to "Ada"'
    assert remedy("permission denied for function claim", "pgqueue", None) == "grant pgqueue_worker to the role of this session"
