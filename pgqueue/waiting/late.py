"""What a wait that has timed out says: in which state its jobs are, and why they have not ended."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import psycopg

from .._steps import Steps, adrive, drive
from ..database.calls import explain as calls
from ..database.calls.explain import Decisive
from ..errors import PgQueueError, ResultTimeout
from .patience import Patience

LOOK_WITHIN = 0.5  # seconds for the look, which begins when the wait is over
LOOKED_AT = 10  # jobs of many
TOLD = 3  # kinds of causes of many jobs


def too_late(
    said: str, job_ids: Sequence[int], patience: Patience, run: Callable[..., Any], state: str | None = None
) -> ResultTimeout:
    """The error of a wait for these jobs.

    Args:
        said: that they did not end.
        job_ids: the jobs; of many, the first ones are looked at.
        patience: that of the wait. A poll, and a wait that the database did not answer, do not look.
        run: runs a call.
        state: that of the only job at the last look; None = not known.
    """
    error: ResultTimeout = drive(_look(said, job_ids, patience, run, state))
    return error


async def atoo_late(
    said: str, job_ids: Sequence[int], patience: Patience, run: Callable[..., Awaitable[Any]], state: str | None = None
) -> ResultTimeout:
    """`too_late` for async code."""
    error: ResultTimeout = await adrive(_look(said, job_ids, patience, run, state))
    return error


def _look(said: str, job_ids: Sequence[int], patience: Patience, run: Callable[..., Any], state: str | None) -> Steps:
    found: list[Decisive] = []
    if (within := patience.look_within(LOOK_WITHIN)) is not None:
        with suppress(psycopg.Error, PgQueueError):  # that it is late matters more than why
            found = yield run(calls.explain_each(list(job_ids[:LOOKED_AT])), wait=within)
    return _told(said, found, state, is_one=len(job_ids) == 1)


def _told(said: str, found: Sequence[Decisive], state: str | None, is_one: bool) -> ResultTimeout:
    if not found:
        why = f"it is {state}" if state else ""
        return ResultTimeout(said, why, state)
    first = found[0]
    why = _one(first, "it") if is_one else _many(found)
    return ResultTimeout(said, why, first.state, first.cause)


def _one(found: Decisive, it: str) -> str:
    return f"{it} has ended since: {found.says}" if found.state is None else f"{it} is {found.state}: {found.says}"


def _many(found: Sequence[Decisive]) -> str:
    alike: dict[tuple[str | None, str], list[Decisive]] = {}
    for one in found:
        alike.setdefault((one.state, one.says), []).append(one)
    return "; ".join(
        _one(ones[0], f"job {ones[0].job_id}") + (f" (so for {len(ones) - 1} more)" if len(ones) > 1 else "")
        for ones in list(alike.values())[:TOLD]
    )
