"""Seen from outside: a job runs once it is claimed, its handler starts a moment later; a signal in between gives it back."""

import psycopg

from pgqueue import JobContext, PgQueue

from ..looking import Look
from ..waiting import until


def mark_started(app: PgQueue, ctx: JobContext) -> None:
    """Note that the handler of this job has started; blocks its caller for as long as that takes."""
    with psycopg.connect(app.url, autocommit=True) as connection:
        connection.execute("""update pgqueue.job set meta = '{"started": true}' where id = %s""", (ctx.id,))


def has_started(look: Look, id: int) -> bool:
    """Whether the handler of this job has started."""
    return bool(look.value("select meta -> 'started' from job where id = %s", id))


def wait_until_started(look: Look, id: int) -> None:
    """Return once the handler has started."""
    until(lambda: has_started(look, id), "the handler has started")
