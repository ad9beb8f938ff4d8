"""Lets schedules fire: any worker computes the ticks, and the database decides which of them count."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from functools import lru_cache, partial
from typing import Any

from .._json import dumps, loads_own
from .._trace import summary
from ..database import Link
from ..database.call import Call
from ..database.calls import schedules as calls
from ..database.calls.schedules import DueSchedule, FiredTick
from ..database.link import Locked
from ..errors import Disconnected, PgQueueError
from ..schedules.schedule import Schedule
from ..schedules.ticks import Ticks
from .signals import Alarm

log = logging.getLogger("pgqueue.worker")
BATCH = 200  # schedules that one call lets fire
COMPUTE_WITHIN = 0.25  # seconds of arithmetic after which the schedules computed so far fire …
MOST_LISTED = 10_000  # … or ticks: fire_schedules records about so many in its half second, and leaves the rest
LOOK_EVERY = 5.0  # seconds between two looks while none is due: schedule_look shows that this loop is alive
REMEMBERED = 4096  # schedules whose expressions are kept parsed

Run = Callable[[Callable[[], Call[Any]]], Awaitable[Any]]


class Scheduler:
    """Declares the schedules of an app, and lets due schedules fire, whoever has declared them.

    Args:
        link: the connection of maintenance, so that schedules need none of their own.
        alarm: has the number of workers; is told when a next tick was stored.
        declared: the schedules of the app, by name.
    """

    def __init__(self, link: Link, alarm: Alarm, declared: Mapping[str, Schedule]) -> None:
        self._link, self._alarm, self._declared = link, alarm, declared
        self._undeclared: list[Schedule] = []  # held by other transactions
        self._due = asyncio.Event()
        self._exist = False
        self._is_orphans_told = False
        self._seen: set[DueSchedule] = set()
        self._errors: dict[str, str] = {}
        # Its own: handlers that call asyncio.to_thread may fill the few threads of the event loop for as long as they take.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pgqueue-schedules")

    def note(self, due: bool | None) -> None:
        """Note what `promote` says: schedules are due; none is (False); or there are none to look at (None)."""
        self._exist = due is not None
        if due or (self._exist and not self._is_orphans_told):
            self._due.set()

    async def declare(self, until_answered: Run) -> None:
        """Declare the schedules of the app. The worker starts all the same if the database refuses one, which stays as it is, or
        if another transaction holds one, which is declared at a later look.

        Args:
            until_answered: runs a call until it is answered, or raises Locked.
        """
        self._undeclared = list(self._declared.values())
        await self._declare(until_answered)

    async def _declare(self, run: Run) -> None:
        waiting, self._undeclared = self._undeclared, []
        for place, schedule in enumerate(waiting):
            call = calls.declare_schedule(schedule.name, schedule.definition())
            try:
                changed = await run(lambda call=call: call)  # type: ignore[misc]
            except Locked:
                log.info("schedule %s: another transaction holds it; it is declared when that has ended", schedule.name)
                self._undeclared.append(schedule)
                continue
            except Disconnected:
                self._undeclared += waiting[place:]
                raise
            except PgQueueError as error:
                log.error("schedule %s cannot be declared as the code has it: %s", schedule.name, error)
                continue
            if changed is None:
                log.info(
                    "schedule %s: people have made it; what the code declares applies when they have deleted it",
                    schedule.name,
                )
            elif changed:
                # Two apps that declare a schedule differently change it at each start: the log shows it.
                log.info("schedule %s: as declared now: %s", schedule.name, ", ".join(changed))

    async def look(self) -> None:
        """Wait until schedules are due, and let them fire, in batches."""
        if self._undeclared:
            await self._declare(partial(self._link.run, tell_locked=True))
        if not await self._wait():
            return
        if not self._is_orphans_told:
            await self._tell_orphans()
        await self._alarm.spread()
        while await self._fire_some():
            pass

    async def _wait(self) -> bool:
        """Wait for `note`, but no longer than LOOK_EVERY; whether to look."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY):
                await self._due.wait()
        is_due = self._due.is_set()
        self._due.clear()
        return is_due or self._exist

    async def _fire_some(self) -> bool:
        """Let one batch fire; whether there may be more."""
        due = await self._link.run(calls.due_schedules(BATCH))
        if not due:
            return False
        fires = await asyncio.get_running_loop().run_in_executor(self._thread, self._compute, due)
        self._tell(await self._link.run(calls.fire_schedules("[" + ",".join(fires) + "]")))
        before, self._seen = self._seen, {one._replace(seen_at=datetime.min) for one in due}
        if self._seen == before:  # they are locked, or wait for a job: promote tells when to look again
            return False
        self._alarm.scheduled.set()  # their next ticks may come before the next look of promote
        return len(due) == BATCH or len(fires) < len(due)

    def _compute(self, due: list[DueSchedule]) -> list[str]:
        """What `fire_schedules` takes, as JSON. Ends early if it is much: those that are left are still due.

        Those that were due last come first: each takes little, while one that has missed ticks for days takes half a second.
        """
        end, listed = time.monotonic() + COMPUTE_WITHIN, 0
        fires = []
        for one in sorted(due, key=lambda one: one.next_tick or one.after_at, reverse=True):
            fire = self._computed(one)
            fires.append(dumps(fire))
            listed += len(fire.get("ticks", ()))
            if time.monotonic() > end or listed >= MOST_LISTED:
                break
        return fires

    def _computed(self, due: DueSchedule) -> dict[str, Any]:
        fire = {"name": due.name, "after_at": _iso(due.after_at), "next_tick": _iso(due.next_tick)}
        try:
            found = _ticks(due.name, due.definition).due(due.after_at, due.next_tick, due.seen_at)
        except Exception as error:  # any error: a schedule that cannot be computed must not stop the others
            text = str(error) if isinstance(error, PgQueueError) else summary(error)
            self._note_error(due.name, text)
            return {**fire, "error": text}
        self._errors.pop(due.name, None)
        return {**fire, "ticks": [_iso(tick) for tick in found.ticks], "older": found.older, "next": _iso(found.next)}

    def _note_error(self, name: str, error: str) -> None:
        """Log an error once, although the schedule is tried again every minute."""
        if self._errors.get(name) != error:
            self._errors[name] = error
            log.warning("schedule %s: its next tick cannot be computed: %s", name, error)

    def _tell(self, fired: list[FiredTick]) -> None:
        """One line for each job, and one for each schedule that has missed ticks."""
        missed: dict[str, int] = {}
        for tick in fired:
            match tick.outcome, tick.reason:
                case "fired", _:
                    instead = f", instead of {tick.stands_for} ticks" if tick.stands_for > 1 else ""
                    log.info("schedule %s: job %s for %s%s", tick.schedule, tick.job_id, _iso(tick.tick), instead)
                case "failed", reason:
                    log.warning("schedule %s: no job for %s: %s", tick.schedule, _iso(tick.tick), reason)
                case "skipped", "missed":
                    missed[tick.schedule] = missed.get(tick.schedule, 0) + tick.stands_for
        for name, count in missed.items():
            log.warning("schedule %s: %s ticks were missed and make no job", name, count)

    async def _tell_orphans(self) -> None:
        orphans = await self._link.run(calls.orphaned_schedules())
        self._is_orphans_told = True
        if orphans:
            log.warning(
                "schedules that no active worker declares go on until somebody deletes them (pgqueue schedules delete): %s",
                ", ".join(orphans),
            )


@lru_cache(REMEMBERED)
def _ticks(name: str, definition: str) -> Ticks:
    return Ticks.from_definition(loads_own(definition), name)


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
