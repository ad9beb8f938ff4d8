"""Seen from outside: a job runs once it is claimed, its handler begins a moment later; a signal in between gives it back."""

import psycopg

from pgqueue import JobContext, PgQueue

from ..looking import Look
from ..waiting import until


def begin(app: PgQueue, ctx: JobContext) -> None:
    """Note that the handler of this job has begun; blocks its caller for as long as that takes."""
    with psycopg.connect(app.url, autocommit=True) as connection:
        connection.execute("""update pgqueue.job set meta = '{"begun": true}' where id = %s""", (ctx.id,))


def has_begun(look: Look, id: int) -> bool:
    """Whether the handler of this job has begun."""
    return bool(look.value("select meta -> 'begun' from job where id = %s", id))


def wait_until_begun(look: Look, id: int) -> None:
    """Return once it has."""
    until(lambda: has_begun(look, id), "the handler has begun")
