"""Reporting one batch of outcomes to the database, also after lost answers and refusals."""

import logging
from dataclasses import replace
from typing import NamedTuple

import psycopg

from .._text import LINE
from .._trace import message_of
from ..database import Link
from ..database.backoff import Backoff, first_line
from ..database.call import Call
from ..database.calls import run as run_calls
from ..database.calls.run import Plain, Verdict
from ..database.link import Locked
from ..errors import Disconnected, InvalidArgument, JobNotFound, PgQueueError, WrongState
from .outcome import Outcome, failure
from .traced import finishing

log = logging.getLogger("pgqueue.worker")


Run = tuple[int, str]  # a job and the token of one claim of it


class HandedIn(NamedTuple):
    """What the database has done with a batch, or with its parts.

    Attributes:
        noted: outcomes that the database has accepted, with its verdicts.
        locked: outcomes that were refused because another transaction locks their job or workflow.
        slow: outcomes whose call missed its deadline.
    """

    noted: list[tuple[list[Outcome], list[Verdict]]]
    locked: list[list[Outcome]]
    slow: list[list[Outcome]]


def _run(outcome: Outcome) -> Run:
    return outcome.job.id, outcome.job.token


def _is_about_data(error: Exception) -> bool:
    """Whether an outcome caused the error: by a value, its nodes, its size, or a trigger that refuses it."""
    if isinstance(error, InvalidArgument | WrongState | JobNotFound):
        return True
    return isinstance(error, psycopg.Error) and (error.sqlstate or "").startswith(("22", "23", "54", "P0"))


def _call(outcomes: list[Outcome]) -> Call[list[Verdict]]:
    """The call that reports these outcomes. Most have nothing to store but that they have succeeded, which three arrays say."""
    plain = [outcome for outcome in outcomes if outcome.text is None and outcome.nodes is None]  # is_plain, without a call
    others = [outcome for outcome in outcomes if not outcome.is_plain] if len(plain) < len(outcomes) else []
    added = [f'{{"id":{o.job.id},"nodes":{o.nodes}}}' for o in others if o.nodes is not None]
    return run_calls.finish(
        f"[{','.join([outcome.json for outcome in others])}]" if others else None,
        f"[{','.join(added)}]" if added else None,
        _arrays(plain) if plain else None,
    )


def _arrays(plain: list[Outcome]) -> Plain:
    jobs = [outcome.job for outcome in plain]
    ids, tokens = str([job.id for job in jobs]), ",".join([job.token for job in jobs])
    elapseds = ("%.6f," * len(plain))[:-1] % tuple([outcome.elapsed for outcome in plain])
    return Plain(f"{{{ids[1:-1]}}}", f"{{{tokens}}}", f"{{{elapseds}}}")


def given_up(outcome: Outcome, error: Exception) -> Outcome:
    """The replacement for an outcome that the database does not accept: a failure without a retry."""
    return failure(outcome.job, error, 0.0, reason="system_error", final=True)._replace(state="refused")


class Deliverer:
    """Reports batches on one connection; a batch has at most one outcome of a job.

    Args:
        link: the connection.
        unsure: runs that were reported by a call whose answer was lost; they may be finished. Shared by all deliverers.
    """

    def __init__(self, link: Link, unsure: set[Run]) -> None:
        self._link, self._unsure = link, unsure

    def doubt(self, outcomes: list[Outcome]) -> None:
        """Note that a call was interrupted: any of these outcomes may have been accepted."""
        self._unsure.update(map(_run, outcomes))

    async def hand_in(self, outcomes: list[Outcome], deadline: float | None = None) -> HandedIn:
        """Report a batch; return when each outcome is accepted, locked or too slow. `deadline`: of a call, in seconds."""
        refusals = Backoff()
        while True:
            try:
                verdicts = await self._finish(outcomes, deadline)
            except Locked:
                return HandedIn([], [outcomes], [])
            except Disconnected as error:
                self.doubt(outcomes)
                if error.too_slow:  # another try would take as long, and all other outcomes would wait for it
                    return HandedIn([], [], [outcomes])
            except (PgQueueError, psycopg.Error) as error:
                if _is_about_data(error):
                    return await self._refused(outcomes, error, deadline)
                refusals.failed()
                log.error("outcomes cannot be reported now (try %s): %s", refusals.failures, first_line(error))
                await refusals.wait()
            else:
                break
        return HandedIn([(outcomes, self._judged(outcomes, verdicts) if self._unsure else verdicts)], [], [])

    def _judged(self, outcomes: list[Outcome], verdicts: list[Verdict]) -> list[Verdict]:
        """Do not count a job as stale that is missing after a lost answer: the call without an answer has finished it.

        A busy job stays unsure, because the call without an answer may still hold its lock.
        """
        runs = {outcome.job.id: _run(outcome) for outcome in outcomes}
        unsure = self._unsure & set(runs.values())
        self._unsure -= unsure
        self._unsure |= unsure & {runs[v.job_id] for v in verdicts if v.verdict == "busy"}
        return [v._replace(verdict="unconfirmed") if v.verdict == "stale" and runs[v.job_id] in unsure else v for v in verdicts]

    async def _finish(self, outcomes: list[Outcome], deadline: float | None) -> list[Verdict]:
        call = _call(outcomes)
        with finishing(outcomes):
            return await self._link.run(replace(call, within=deadline), tell_locked=True)

    async def _refused(self, outcomes: list[Outcome], error: Exception, deadline: float | None) -> HandedIn:
        """Find the outcome that PostgreSQL cannot store, and fail its job without a retry."""
        if len(outcomes) > 1:
            middle = len(outcomes) // 2
            first, second = [await self.hand_in(half, deadline) for half in (outcomes[:middle], outcomes[middle:])]
            return HandedIn(first.noted + second.noted, first.locked + second.locked, first.slow + second.slow)
        (bad,) = outcomes
        if bad.state == "refused":
            log.error("job %s cannot be finished; it is given back: %s", bad.job.id, message_of(error)[:LINE])
            return HandedIn([], [], [])
        return await self.hand_in([given_up(bad, error)], deadline)
