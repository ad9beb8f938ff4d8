"""What tests of ctx.transaction() share; see the fixtures `written` and `handler`."""

from collections.abc import Callable
from typing import Any

from pgqueue import JobContext, Task
from pgqueue.worker import Worker
from tests.looking import Look
from tests.waiting import auntil

BACKENDS = "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'pgqueue transaction'"
STEAL = "update job set claim_token = gen_random_uuid()"
INSERT = "insert into public.written (job_id) values (%s)"
Register = Callable[..., Task[..., Any]]


def set_result(ctx: JobContext, tx: Any) -> None:
    """A step: the job has a result."""
    tx.result = {"by": ctx.id}


def written_by(look: Look) -> list[int]:
    """The jobs whose writes are there."""
    return [row["job_id"] for row in look.rows("select job_id from public.written order by 1")]


def held_commit(look: Look) -> Callable[[], object]:
    """From now on a COMMIT of what was written goes on until the function that this returns is called."""
    body = "begin perform pg_advisory_xact_lock_shared(1); return null; end"
    look.connection.execute(f"create function held() returns trigger language plpgsql as $${body}$$".encode())
    look.rows(
        "create constraint trigger held after insert on public.written deferrable initially deferred "
        "for each row execute function held()"
    )
    look.rows("select pg_advisory_lock(1)")
    return lambda: look.rows("select pg_advisory_unlock(1)")


async def stale_outcome(worker: Worker) -> None:
    """Wait until an outcome of this worker was stale."""
    await auntil(lambda: hasattr(worker, "_parts") and worker._parts.finisher.counts["stale"], "the stale outcome")


def error_of(look: Look, id: int) -> str:
    """The error of a dead letter."""
    return str(look.value("select error_type from dead_letters where id = %s", id))
