"""Outcomes over HTTP: handed to finish, with a verdict for each; those who wait for the jobs are told."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import psycopg

from ...database.calls import run as run_calls
from ...database.calls import workers as worker_calls
from ...database.calls.run import Verdict
from ...errors import JobNotFound
from ..bodies.http_workers import OutcomeBody
from ..here import Here
from ..problems import Problem, invalid
from ..written import written
from .added import check_added

BUSY_PAUSES = (0.05, 0.1, 0.2, 0.4)  # seconds between tries for a job that another transaction locks
OVER = ("succeeded", "cancelled", "dead_letter")
NOT_OURS = "it runs elsewhere, is over, or was taken from this worker; drop the run, and report nothing of it"


async def finish(here: Here, outcomes: list[OutcomeBody], worker: UUID | None) -> list[Verdict]:
    """Hand in outcomes.

    Args:
        here: the request.
        outcomes: of runs, each job at most once.
        worker: who ran them; tells what was handed in before from what is stale.

    Returns:
        A verdict for each outcome, in their order.

    Raises:
        Problem: a job is there twice, or adds jobs to queues of others.
    """
    by_id = {outcome.id: outcome for outcome in outcomes}
    if len(by_id) < len(outcomes):
        raise invalid("outcomes", [str(outcome.id) for outcome in outcomes], "name each job at most once")
    hidden = await hidden_jobs(here, by_id)
    for outcome in outcomes:
        await check_added(here, outcome.nodes or ())
    found = await _handed_in(here, [outcome for outcome in outcomes if outcome.id not in hidden])
    stale = [by_id[id] for id, verdict in found.items() if verdict.verdict == "stale"]
    if stale and worker is not None:
        known = await here.run(run_calls.confirm(worker, _text(stale)))
        found.update({id: Verdict(id, verdict, None) for id, verdict in known.items()})
    verdicts = [_verdict(outcome, found, hidden) for outcome in outcomes]
    over = [verdict.job_id for verdict in verdicts if verdict.verdict in OVER]
    here.service.upkeep.tell(over, [*over, *(verdict.job_id for verdict in verdicts if verdict.verdict == "scheduled")])
    return verdicts


async def finish_one(here: Here, outcome: OutcomeBody, worker: UUID | None) -> Verdict:
    """Hand in one outcome; a job that is locked is tried again for a moment.

    Raises:
        Problem: the job is not this token's any more, or is locked for too long.
    """
    if await hidden_jobs(here, [outcome.id]):
        raise JobNotFound(f"there is no job {outcome.id}")
    for pause in (*BUSY_PAUSES, None):
        verdict = (await finish(here, [outcome], worker))[0]
        if verdict.verdict != "busy" or pause is None:
            break
        await asyncio.sleep(pause)
    if verdict.verdict == "busy":
        raise Problem("locked", f"another transaction holds job {outcome.id}; nothing was changed", {"Retry-After": "1"})
    if verdict.verdict == "stale":
        raise lease_lost(outcome.id)
    return verdict


def lease_lost(job_id: int) -> Problem:
    """The refusal of a verb on a job that is not the token's any more."""
    return Problem("lease-lost", f"job {job_id} is not this token's any more: {NOT_OURS}")


async def hidden_jobs(here: Here, job_ids: Iterable[int]) -> set[int]:
    """Those of these jobs that the key of the caller may not see."""
    mine = here.caller.queues
    if mine is None:
        return set()
    queues = await here.run(worker_calls.queues_of_jobs(list(job_ids)))
    return {id for id, queue in queues.items() if queue not in mine}


async def _handed_in(here: Here, outcomes: list[OutcomeBody]) -> dict[int, Verdict]:
    """The verdicts of finish. A locked workflow lets only its own jobs wait."""
    if not outcomes:
        return {}
    added = [{"id": outcome.id, "nodes": outcome.nodes} for outcome in outcomes if outcome.nodes]
    call = run_calls.finish(_text(outcomes), written("nodes", added) if added else None)
    try:
        return {verdict.job_id: verdict for verdict in await here.run(call)}
    except psycopg.errors.LockNotAvailable:
        if len(outcomes) == 1:
            return {outcomes[0].id: Verdict(outcomes[0].id, "busy", None)}
    found: dict[int, Verdict] = {}
    for outcome in outcomes:
        found |= await _handed_in(here, [outcome])
    return found


def _text(outcomes: list[OutcomeBody]) -> str:
    return f"[{','.join([written(f'outcome of job {outcome.id}', outcome.as_sql()) for outcome in outcomes])}]"


def _verdict(outcome: OutcomeBody, found: Mapping[int, Verdict], hidden: set[int]) -> Verdict:
    if outcome.id in hidden:
        return Verdict(outcome.id, "stale", None)
    return found.get(outcome.id) or Verdict(outcome.id, outcome.state, None)


def shown(verdict: Verdict) -> dict[str, Any]:
    """A verdict as it is answered."""
    return {"job_id": verdict.job_id, "verdict": verdict.verdict, "run_at": verdict.run_at}
