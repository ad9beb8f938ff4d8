"""Keeps places filled with worker processes. It needs no database: a supervisor and an agent of a pool both stand on it."""

import asyncio
import logging
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from types import TracebackType

from ..worker.launch import RECYCLED, REFUSED, Launch
from ..worker.machine import whole_cores
from ..worker.status import Status
from .death import Death, Reason, described
from .place import LONGEST_WAIT, Change, How, Place
from .process import Process
from .reaper import is_first, reap_strangers
from .recycle import MB, Recycling
from .turns import Turns
from .view import View, error_of, view_of, why_recycled

log = logging.getLogger("pgqueue.supervisor")
TICK = 0.5  # seconds between two looks, if nothing happens
FAILED_PAUSE = 5.0  # seconds after a look that has failed
MOST_TRIES = 5  # processes in a row that do not become ready before a replacement is given up
COUNT_BOOTS = 2  # processes that boot at once at least; else as many as there are CPUs, of a container its share
ENDS_WITHIN = 5.0  # seconds for a killed process to be gone


class Crew:
    """Keeps places filled: starts processes, replaces those that end or are due, and ends them. On one event loop.

    Args:
        recycling: when processes are replaced.
        on_death: told, with its place, when a process has ended that could not hand in what it held.
        on_ended: told when a place is empty for good, with its number and the exit code of its last process: it was left, or
            it ended with 0 in a burst or because it was told to drain, or with 2 because nothing can work with these settings.

    Attributes:
        has_worked: whether any process was ever ready.
    """

    def __init__(
        self,
        recycling: Recycling | None = None,
        *,
        on_death: Callable[[int, Death], object] = lambda number, death: None,
        on_ended: Callable[[int, int], object] = lambda number, code: None,
    ) -> None:
        self._recycling = recycling or Recycling()
        self._on_death, self._on_ended = on_death, on_ended
        self._places: dict[int, Place] = {}
        self._wake = asyncio.Event()
        self._looked = time.monotonic()
        self._turns = Turns()
        self._is_heavy_told = False
        self._running: asyncio.Task[None] | None = None
        self.has_worked = False

    async def __aenter__(self) -> "Crew":
        with suppress(ValueError, RuntimeError):  # not in the main thread: then the next look sees what has ended
            asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self._wake.set)
        self._running = asyncio.create_task(self._run(), name="pgqueue crew")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._running is not None
        self._running.cancel()
        await asyncio.wait([self._running])
        with suppress(ValueError, RuntimeError):
            asyncio.get_running_loop().remove_signal_handler(signal.SIGCHLD)
        self.kill_all("late")
        deadline = time.monotonic() + ENDS_WITHIN
        while self._places and time.monotonic() < deadline:
            self.look()
            await asyncio.sleep(0.01)

    # What is asked of it.

    def fill(self, number: int, launch: Launch) -> None:
        """Start a process in a free place, and keep one there."""
        if (place := self._places.get(number)) is None:
            self._places[number] = Place(number, launch)
        else:  # what had to leave it may still be there
            place.launch, place.retry_at, place.failures = launch, 0.0, 0
        self._wake.set()

    def leave(self, number: int, how: How) -> None:
        """End what runs in a place, and start nothing there.

        Args:
            number: the place.
            how: "drain" = its handlers may take as long as they need; "now" = they have the grace.
        """
        if (place := self._places.get(number)) is not None:
            place.leave(how)
            self._wake.set()

    def roll(self, number: int, launch: Launch) -> "asyncio.Future[bool]":
        """Replace the process of a place: start another one, wait until it is ready, and drain the old one.

        Returns:
            Whether the new one has taken the place, as soon as it has. If it cannot start, the old one works on.
        """
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        place = self._places.get(number)
        if place is None or place.launch is None:
            done.set_result(False)
            return done
        place.settle(False)
        place.change = Change(launch, None, done)
        self._wake.set()
        return done

    def places(self) -> dict[int, View]:
        """What runs in each place."""
        return {number: view_of(place) for number, place in self._places.items()}

    def statuses(self) -> list[Status]:
        """What all processes have said last, those that have to end, too; with their memory."""
        return [
            replace(process.status, memory=process.rss or None)
            for place in self._places.values()
            for process in place.processes()
        ]

    def pids(self) -> list[int]:
        """All processes."""
        return [process.pid for place in self._places.values() for process in place.processes()]

    def dump(self) -> None:
        """Let all write the stacks of all their threads to stderr."""
        for place in self._places.values():
            for process in place.processes():
                process.dump()

    def kill_all(self, reason: Reason) -> None:
        """End all at once; no process starts any more."""
        for place in self._places.values():
            place.launch = None
            place.settle(False)
            for process in place.processes():
                process.kill(reason)
        self._wake.set()

    async def until_empty(self) -> None:
        """Wait until no place is left."""
        while self._places:  # noqa: ASYNC110 it ends with a look
            await asyncio.sleep(0.02)

    # What it does by itself.

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                self.look()
            except OSError as error:  # such as too many processes
                log.error("no process could be started: %s", error)
            except Exception:  # any error: nobody else would see that a process has ended, or end it
                log.exception("the look at the worker processes failed; the next one follows in %s s", FAILED_PAUSE)
                await asyncio.sleep(FAILED_PAUSE)
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK):
                    await self._wake.wait()

    def look(self) -> None:
        """Look at everything once, and do what is to be done."""
        now = time.monotonic()
        since, self._looked = now - self._looked, now
        for place in list(self._places.values()):
            for process in place.processes():
                if process.has_ended():
                    self._ended(place, process)
                elif (reason := process.look(since)) is not None:
                    self._kill(place, process, reason)
        if is_first():
            reap_strangers(set(self.pids()).__contains__)
        for place in sorted(self._places.values(), key=lambda place: place.change.since if place.change else now):
            if place.launch is not None:
                self._care_for(place, place.launch)
            if place.is_empty():
                del self._places[place.number]
        self._turns.look()

    def _kill(self, place: Place, process: Process, reason: Reason) -> None:
        said = {
            "memory": f"uses {process.rss // MB} MB, more than max_memory_hard"
            + ("" if process.status.done or process.status.failed else "; it has done no job yet: give it more"),
            "stuck": "gives no sign of life",
            "boot": f"was not ready within boot_timeout, {self._recycling.boot_timeout:g} s",
            "late": "does not stop: a handler blocks it",
        }.get(reason, reason)
        log.error("worker process %s %s; it is killed", place.number, said, extra={"child": process.pid, "reason": reason})
        if reason == "stuck":
            process.dump()
        process.kill(reason)

    def _care_for(self, place: Place, launch: Launch) -> None:
        now, process, successor = time.monotonic(), place.process, place.successor
        if process is not None and process.ready_at is not None and not place.was_ready:
            place.was_ready = self.has_worked = True
        if process is None and successor is not None:
            place.promote()
        elif process is None:
            if now >= place.retry_at and self._may_boot():
                place.process = self._start(place, place.change.launch if place.change else launch)
                if place.change is not None:
                    place.launch = place.change.launch
                    place.settle(True)
        elif successor is not None and successor.ready_at is not None:
            log.info("worker process %s: another one is ready; the old one drains", place.number)
            place.failures = 0
            place.promote()
            self._turns.drains(place, process)
        elif successor is None and process.ready_at is not None:
            self._replace_if_due(place, process, launch, now)

    def _replace_if_due(self, place: Place, process: Process, launch: Launch, now: float) -> None:
        self._look_at_memory(place, process)
        if (
            place.change is None
            and not place.leaving
            and (why := process.limits.exceeded(process.status, process.rss, process.age))
        ):
            place.change = Change(launch, why, asyncio.get_running_loop().create_future())
        if place.change is None or not self._turns.is_free() or now < place.retry_at:
            return
        if self._may_boot():
            why = place.change.why or "it was asked for"
            log.info("worker process %s is replaced: %s", place.number, why, extra={"child": process.pid})
            self._turns.begin(place)
            place.successor = self._start(place, place.change.launch)

    def _look_at_memory(self, place: Place, process: Process) -> None:
        """A process that has too much memory from its start is not replaced: the next one would have as much."""
        most = self._recycling.max_memory
        if not most or process.age > self._recycling.settle or process.limits.is_memory_ignored or not process.rss > most:
            return
        if process.status.done + process.status.failed == 0:
            process.limits.is_memory_ignored = True
            if not self._is_heavy_told:
                self._is_heavy_told = True
                log.error(
                    "worker process %s uses %s MB before its first job; max_memory is %s MB: processes are not replaced for it; "
                    "raise max_memory",
                    *(place.number, process.rss // MB, most // MB),
                )

    def _may_boot(self) -> bool:
        """Whether another process may start: few boot at once, so that many do not come to the database together."""
        booting = sum(p.ready_at is None for place in self._places.values() for p in place.processes())
        return booting < max(COUNT_BOOTS, whole_cores())

    def _start(self, place: Place, launch: Launch) -> Process:
        process = Process(launch, self._recycling, self._wake.set)
        log.info("worker process %s started", place.number, extra={"child": process.pid})
        return process

    # How processes end.

    def _ended(self, place: Place, process: Process) -> None:
        code, role = process.code or 0, place.forget(process)
        if not process.has_handed_in():
            self._on_death(place.number, process.death())
        if place.launch is None:
            if place.is_empty():
                self._on_ended(place.number, code)
        elif role == "successor":
            self._successor_ended(place, process, code)
        elif role == "process":
            self._process_ended(place, process, code)

    def _process_ended(self, place: Place, process: Process, code: int) -> None:
        by_itself, is_last = process.has_handed_in(), process.launch.options.burst or process.status.drained
        is_over = by_itself and (code == REFUSED or (code == 0 and is_last))
        if is_over and place.successor is None:
            place.last_error = process.status.last_error if code else None
            place.launch = None
            place.settle(False)
            if place.is_empty():
                self._on_ended(place.number, code)
        elif code == RECYCLED and by_itself:
            place.retry_at = 0.0
            log.info("worker process %s ended because %s; another starts at once", place.number, why_recycled(process.status))
        elif not is_over:
            place.last_error = error_of(process)
            wait = place.failed(time.monotonic() - process.started, self._recycling.longest_wait)
            log.warning("worker process %s ended (%s); another starts in %.1f s", place.number, described(code), wait)

    def _successor_ended(self, place: Place, process: Process, code: int) -> None:
        place.last_error = error_of(process)
        wait = place.failed(time.monotonic() - process.started)
        is_final = code == REFUSED or place.failures >= MOST_TRIES
        what = "the old one works on" if is_final else f"another try in {wait:.1f} s; the old one works on"
        log.error("worker process %s: the one to replace it ended (%s); %s", place.number, place.last_error, what)
        if is_final:
            place.failures, place.retry_at = 0, time.monotonic() + LONGEST_WAIT
            place.settle(False)
