"""What a login with CONNECT alone sees and does, and what one worker can do to jobs of another: see docs/security.md.

Who may call and read what is tested function by function in tests/roles/test_privileges.py.
"""

import asyncio
import uuid
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from pgqueue import PgQueue
from tests.roles.conftest import ROLES
from tests.waiting import auntil
from tests.worker.conftest import working

from .conftest import Install

EVERY_RELATION = """select relname, relkind in ('S') from pg_class
                     where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f', 'S')"""
GRANTED = """
    select 'schema' from pg_namespace n, aclexplode(n.nspacl) a where n.oid = current_schema()::regnamespace and a.grantee in {0}
    union all
    select c.relname from pg_class c, aclexplode(c.relacl) a
     where c.relnamespace = current_schema()::regnamespace and a.grantee in {0}
    union all
    select c.relname || '.' || attname from pg_class c join pg_attribute on attrelid = c.oid, aclexplode(attacl) a
     where c.relnamespace = current_schema()::regnamespace and a.grantee in {0}
    union all
    select p.oid::regprocedure::text from pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
     where p.pronamespace = current_schema()::regnamespace and a.grantee in {0}"""
# Functions granted to a login whose answer has a token in a column. Ids of workers are no secret to readers: `worker_status`.
TELLS_TOKEN = """
    select proname from pg_proc p left join pg_class c on c.reltype = p.prorettype
     where pronamespace = current_schema()::regnamespace and has_function_privilege(%s, p.oid, 'execute') and (
           prorettype = 'uuid'::regtype
        or exists (select from unnest(proargnames, proargmodes, proallargtypes) as o(name, mode, type)
                    where name ~ 'token' and mode <> 'i' and type <> all ('{float8,bigint}'::regtype[])) -- those of a limit
        or exists (select from pg_attribute where attrelid = c.oid and attname ~ 'token'))"""
TOKEN = uuid.UUID(int=7)


@pytest.fixture
def stranger(install: Install) -> Iterator[psycopg.Connection[Any]]:
    with install.as_login("stranger") as connection:
        yield connection


def test_a_stranger_reads_no_relation_partition_or_sequence(install: Install, stranger: psycopg.Connection[Any]) -> None:
    relations = install.rows(EVERY_RELATION)
    assert len(relations) > 80
    for name, is_sequence in relations:
        for statement in ("select from {}.{}", "select last_value from {}.{}" if is_sequence else "table {}.{}"):
            with pytest.raises(InsufficientPrivilege):
                stranger.execute(statement.format(install.schema, name).encode())


def test_a_stranger_calls_no_function(install: Install, stranger: psycopg.Connection[Any]) -> None:
    """By name they are not found, because the schema is shut; by their numbers they cannot be called."""
    functions = install.rows(
        "select proname, array_to_string(array(select case when t < 16384 then 'null::' || format_type(t, null) else 'null' end "
        "from unnest(proargtypes) as a(t)), ', ') from pg_proc "
        "where pronamespace = current_schema()::regnamespace and prorettype <> 'trigger'::regtype"
    )
    assert len(functions) > 400
    for name, nulls in functions:
        with pytest.raises(InsufficientPrivilege):
            stranger.execute(f"select {install.schema}.{name}({nulls})".encode())


def test_public_and_a_stranger_are_granted_nothing(install: Install) -> None:
    """Shut twice: if somebody opens the schema, functions and relations stay shut."""
    them = f"(0, '{install.login('stranger')}'::regrole)"
    assert install.rows(GRANTED.format(them)) == []


def test_with_usage_of_the_schema_a_stranger_still_calls_and_reads_nothing(install: Install) -> None:
    with install.as_login(None) as owner, owner.transaction(force_rollback=True):
        owner.execute(f"grant usage on schema {install.schema} to public".encode())
        owner.execute(f"set local role {install.login('stranger')}".encode())
        for statement in ("select from job", "select from api_key", "select enqueue('noop')", "select claim_token from job",
                          "select maintain()", "select from lock for update"):  # fmt: skip
            with pytest.raises(InsufficientPrivilege), owner.transaction():
                owner.execute(statement.encode())


def test_a_stranger_sees_the_catalog_and_no_values(install: Install, stranger: psycopg.Connection[Any]) -> None:
    """What PostgreSQL shows to everybody: names, function texts, sizes and counters. Nothing that a job holds is in these."""
    with install.as_login("producer") as producer, producer.transaction(force_rollback=True):
        producer.execute("select enqueue('noop', '{\"password\": \"hunter2\"}')")
        assert stranger.execute("select query from pg_stat_activity where pid = %s", (producer.info.backend_pid,)).fetchone() == (
            "<insufficient privilege>",
        )
    assert stranger.execute("select count(*) > 0 from pg_proc where proname = 'enqueue' and prosrc <> ''").fetchone() == (True,)
    assert stranger.execute("select count(*) from pg_stats where schemaname = %s", (install.schema,)).fetchone() == (0,)


FORGED = (
    "", "default", "forged", "!schedules", "!cancel", "!results", "!operation", "!queues", "!keys", "!watch", "!watch x,1,,-1",
    "{", "!watch 99999999999999999999", "x" * 7999, "\x1b[2J", "-1", "99999999999999999999", "1,2,3,x",
)  # fmt: skip


async def test_a_strangers_notifications_change_nothing(
    install: Install, stranger: psycopg.Connection[Any], caplog: pytest.LogCaptureFixture
) -> None:
    """They are hints: whatever they say, who hears them asks the database. Here a worker does, and who waits for a result."""
    app = PgQueue(install.url_of("worker"), schema=install.schema)
    begun, gate = asyncio.Event(), asyncio.Event()

    @app.task(queue="forged")
    async def held() -> str:
        begun.set()
        await gate.wait()
        return "done"

    ((channel,),) = install.rows("select channel()")
    async with working(app), asyncio.timeout(30):
        job = await held.aenqueue()
        result = asyncio.create_task(job.aresult(timeout=30))
        await begun.wait()
        for payload in (*FORGED, str(job.id), f"!watch {job.id}"):
            for suffix in ("", "_done"):
                await asyncio.to_thread(stranger.execute, "select pg_notify(%s, %s)", (channel + suffix, payload))
        again = await held.aenqueue()  # the worker hears, and the stranger's notifications came before
        await auntil(lambda: install.rows("select state from jobs where id = %s", again.id) == [("running",)], "it runs")
        assert not result.done()
        gate.set()
        assert await result == await again.aresult(timeout=30) == "done"
    await app.aclose()
    assert [record.getMessage() for record in caplog.records if record.levelname in ("WARNING", "ERROR", "CRITICAL")] == []


@pytest.mark.parametrize("name", ROLES)
def test_no_function_tells_a_token(install: Install, name: str) -> None:
    assert install.rows(TELLS_TOKEN, install.login(name)) == []


@pytest.fixture
def theirs(install: Install) -> Iterator[tuple[int, UUID]]:
    """A job that runs under another worker: its id, and the worker's."""
    with install.as_login(None) as owner:
        worker = uuid.uuid4()
        owner.execute("select register_worker(%s, 'w', 'h', 1, '0', '{theirs}', 10, '60 s')", (worker,))
        ((id,),) = owner.execute("select enqueue('noop', queue => 'theirs')").fetchall()
        owner.execute("select count(*) from claim(%s, gen_random_uuid(), '{theirs}', 1)", (worker,))
        yield id, worker
        owner.execute("delete from job where id = %s", (id,))
        owner.execute("delete from worker where id = %s", (worker,))


@pytest.mark.parametrize(
    "call",
    [
        """finish(jsonb_build_array(jsonb_build_object('id', {id}, 'token', '{token}', 'state', 'succeeded')))""",
        "complete({id}, '{token}')",
        "fail({id}, '{token}', '{{}}')",
        "snooze({id}, '{token}', 60)",
        "give_back('{token}', '{{{id}}}')",
        "progress({id}, '{token}', 1)",
        "save_step({id}, '{token}', 'paid')",
        "wait_for({id}, '{token}', 'paid')",
        "run_steps({id}, '{token}')",
        "finished({id}, '{token}', pg_current_xact_id())",
        "claim_jobs('{worker}', '{token}', '{{{id}}}')",
        "claimed_jobs('{worker}', '{token}')",
        """note_soft_timeouts(jsonb_build_array(jsonb_build_object('id', {id}, 'token', '{token}', 'elapsed', 1)))""",
        """heartbeat('{worker}', '{{}}', 'poll',
                     jsonb_build_array(jsonb_build_object('id', {id}, 'token', '{token}', 'seconds', 1e6)))""",
    ],
    ids=lambda call: call.partition("(")[0],
)
def test_without_its_token_a_worker_changes_no_job_of_another(install: Install, theirs: tuple[int, UUID], call: str) -> None:
    id, worker = theirs
    look = "select j.*, (select count(*) from job_step s where s.job_id = j.id) from job j where id = %s"
    before = install.rows(look, id)
    with install.as_login("worker") as attacker:
        attacker.execute(f"select * from {call.format(id=id, token=TOKEN, worker=worker)}".encode())
        attacker.execute("select rescue()")
    assert install.rows(look, id) == before


def test_who_knows_the_id_of_a_worker_can_give_its_jobs_back_and_gets_none_of_its_tokens(
    install: Install, theirs: tuple[int, UUID]
) -> None:
    """What docs/security.md says of workers: they trust each other not to stop each other."""
    id, worker = theirs
    ((token,),) = install.rows("select claim_token from job where id = %s", id)
    with install.as_login("worker") as attacker:
        answer = attacker.execute("select reconcile(%s, '{}', '0')", (worker,)).fetchall()
    assert answer == [(id,)]
    assert install.rows("select state from job where id = %s", id) == [("ready",)]
    assert install.rows("select verdict from finish(jsonb_build_array(jsonb_build_object('id', %s::bigint, 'token', %s::text, "
                        "'state', 'succeeded')))", id, str(token)) == [("stale",)]  # fmt: skip
