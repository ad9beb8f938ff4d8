"""What a worker says at its start of what will wait in vain: its own queue that was misspelt, and queues that nobody serves."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from datetime import UTC
from typing import Any

import psycopg

from .._text import LINE, one_line
from ..database.call import Call
from ..database.calls import explain as calls
from ..database.calls.explain import UnknownQueue, Unserved
from ..errors import PgQueueError

log = logging.getLogger("pgqueue.worker")
LOOK_WITHIN = 2.0  # seconds: a worker starts without it
WAITED = 60.0  # seconds; what waits for less long may be seen by a worker that starts just now
MOST, MOST_ROWS = 5, 20  # lines, and rows that are asked for


async def tell_in_vain(run: Callable[[Call[Any]], Awaitable[Any]], queues: Collection[str], of_app: Collection[str]) -> None:
    """Log what waits in vain, as far as a short look tells: the doctor of the workers looks again, and often.

    Args:
        run: runs a call on the connection of maintenance.
        queues: those that the worker serves.
        of_app: those that the tasks of its app name.
    """
    try:
        async with asyncio.timeout(LOOK_WITHIN):
            await _tell_unknown(run, queues, of_app)
            await _tell_unserved(run)
    except (TimeoutError, PgQueueError, psycopg.Error) as error:
        log.debug("whether jobs wait in vain is not known: %s", error)


async def _tell_unknown(run: Callable[[Call[Any]], Awaitable[Any]], queues: Collection[str], of_app: Collection[str]) -> None:
    if strange := [queue for queue in queues if queue not in of_app]:
        for unknown in await run(calls.unknown_queues(strange, list(of_app))):
            log.warning("%s", one_line(_misspelt(unknown, of_app)))


async def _tell_unserved(run: Callable[[Call[Any]], Awaitable[Any]]) -> None:
    unserved = replace(calls.unserved(WAITED, MOST_ROWS), within=None)  # LOOK_WITHIN is shorter than any
    found = [one for one in await run(unserved) if one.task is None]
    for one in found[:MOST]:
        log.warning("%s", one_line(_said(one)))
    if len(found) > MOST:
        log.warning("other queues have ready jobs and no worker, too; see pgqueue stats")


def _misspelt(unknown: UnknownQueue, of_app: Collection[str]) -> str:
    meant = f"; did you mean {unknown.did_you_mean!r}?" if unknown.did_you_mean else f"; its tasks are in {_names(of_app)}"
    jobs = f"; jobs are ready in {_names(unknown.with_jobs)}" if unknown.with_jobs else ""
    return f"queue {unknown.queue!r}: no task of the app names it, and no job is there or was lately{jobs}{meant}"


def _said(one: Unserved) -> str:
    return f"jobs have been ready since {one.since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC: {one.says[:LINE]}"


def _names(names: Collection[str]) -> str:
    shown = [repr(name) for name in sorted(names)[:10]]
    return ", ".join(shown) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
