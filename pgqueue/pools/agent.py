"""An agent of a pool: takes slots of it for this machine, and keeps a worker in each."""

import asyncio
import logging
import os
import signal
import socket
import time
import uuid
from contextlib import suppress
from typing import Literal
from uuid import UUID

import psycopg

from ..app import PgQueue
from ..check import check_owner
from ..database.backoff import LONGEST, Backoff, Complaints, first_line
from ..database.calls import agents as calls
from ..database.calls.agents import Turn
from ..database.calls.install import foreign_owner
from ..errors import ConfigurationError, JobNotFound, PgQueueError, WorkerLost, WrongState
from ..probes.seen import Published
from ..supervisor.burials import Burials
from ..supervisor.crew import Crew
from ..supervisor.death import Death
from ..version import __version__
from ..worker.liveness import now
from .options import AgentOptions
from .slots import Slots
from .tie import Tie

log = logging.getLogger("pgqueue.agent")
LOOK_EVERY = 0.25  # seconds between two looks at the lease and at the workers
TURN_AT_LEAST_EVERY = 20.0  # seconds, however long the lease
TURN_AT_MOST_EVERY = 0.1  # seconds, however much there is to tell
SAMPLE_EVERY = 60.0  # seconds
RETIRE_WITHIN = 5.0  # seconds for a good-bye
BURIED_WITHIN = 2.0  # seconds in which the database is told of workers that were killed while they stopped
Over = Literal["stopped", "deleted", "refused"]


class Agent:
    """Takes slots of a pool under a lease of its own, and keeps a worker in each.

    It renews the lease and asks what it holds about three times a lease. If it could not for a whole lease, others may hold its
    slots: then it drains all its workers, and begins anew, under another id and without slots. Its workers have leases of their
    own, so nothing depends on it that concerns jobs.

    Args:
        options: how it works.
        app: the install.

    Attributes:
        published: what it sees of its workers, for probes and for systemd.
    """

    def __init__(self, options: AgentOptions, app: PgQueue) -> None:
        self._options, self._lease = options, float(app.settings.lease)
        recycling = options.recycling
        self._recycling = recycling.for_lease(self._lease)
        self._every = min(self._lease / 3, TURN_AT_LEAST_EVERY)
        self._slots = Slots(options.launch)
        self._news = asyncio.Event()
        self._tie = Tie(app.listen_url, app.statements, self._lease / 3, f"!pool {options.pool}", self._news.set)
        self._schema = app.settings.schema_name
        self._id: UUID | None = None
        self._kept_until = self._scale_at = self._sample_at = 0.0
        self._was_registered = False
        self._burials = Burials(app.url, app.statements)
        self._held_up = Backoff(min(LONGEST, self._lease / 3))
        self._over: Over | None = None
        self._exit_code = 0
        self.published = Published()

    async def run(self) -> int:
        """Work until it is over; the exit code."""
        async with Crew(self._recycling, on_death=self._died, on_ended=self._left) as crew:
            self._slots.begin(crew)
            self._handle_signals()
            beside = [asyncio.create_task(self._watch()), asyncio.create_task(self._burials.run())]
            for task in beside:
                task.add_done_callback(self._beside_ended)
            try:
                await self._work()
                if self._over != "stopped":
                    self._slots.drop()
                await self._end(crew)
            finally:
                for task in beside:
                    task.cancel()
                await asyncio.wait(beside)
                await self._tie.close()
        return self._exit_code

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled, number)
        loop.add_signal_handler(signal.SIGHUP, self._roll_here)
        loop.add_signal_handler(signal.SIGUSR1, self._slots.crew.dump)

    def stop(self) -> None:
        """End all workers within their grace, and hand the slots back."""
        self._over = "stopped"
        self._slots.stop()
        self._news.set()

    def _signalled(self, number: int) -> None:
        if self._over != "stopped":
            log.info("stopping %s workers; a second signal ends them at once", len(self._slots.crew.pids()))
            self.stop()
            return
        log.warning("second signal: exiting at once; unfinished jobs are rescued after the lease")
        self._exit_code = 128 + number
        self._slots.crew.kill_all("late")

    def _roll_here(self) -> None:
        log.info("rolling the workers of this agent")
        self._slots.roll_all()
        self._news.set()

    # The turns.

    async def _work(self) -> None:
        backoff, complaints = Backoff(min(LONGEST, self._lease / 3)), Complaints(log, "the database")
        while self._over is None:
            self._news.clear()
            try:
                wait = await self._turn()
                backoff.worked()
            except WorkerLost:
                self._fence("its lease has ended")
                wait = 0.0
            except (JobNotFound, WrongState) as error:  # of the registration
                if not self._was_registered:
                    raise
                log.warning("the agent ends: %s", first_line(error))
                self._over = "deleted"
                return
            except Exception as error:  # any error: without these turns nothing would renew the lease
                if not self._was_registered and not isinstance(error, psycopg.Error | OSError):
                    raise
                wait = backoff.failed()
                complaints.add(error, wait)
            await self._rest(wait)

    async def _rest(self, seconds: float) -> None:
        """Wait for news, or so long; and a moment at least."""
        if self._over is None:
            await asyncio.sleep(TURN_AT_MOST_EVERY)
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, seconds - TURN_AT_MOST_EVERY)):
                    await self._news.wait()

    async def _turn(self) -> float:
        """Renew the lease, and do what is told. Returns the seconds until the next turn."""
        id = self._id or await self._register()
        turn = await self._ask(id)
        if self._id != id or self._over is not None:  # the lease has ended meanwhile
            return 0.0
        try:
            self._options.check_app(turn.app)
        except ConfigurationError as error:
            log.error("the agent ends: %s", error)
            self._over, self._exit_code = "refused", 2
            return 0.0
        if turn.deleting and not turn.slots:
            log.warning("the agent ends: the pool %s is deleted", self._options.pool)
            self._over = "deleted"
            return 0.0
        self._slots.obey(turn)
        if self._slots.ended():  # told to leave what has no worker
            return 0.0
        await self._serve_pool(turn)
        after = self._every if turn.look_after is None else min(self._every, max(0.0, turn.look_after) + 0.02)
        if turn.is_held_up:  # ever more rarely: a transaction that was left open keeps all rows that a turn writes
            after = min(after, self._held_up.failed())
        else:
            self._held_up.worked()
        return min(after, self._slots.retry_in(), max(0.0, self._scale_at - time.monotonic()))

    async def _register(self) -> UUID:
        id, options, sent = uuid.uuid4(), self._options, now()
        if not self._was_registered:
            check_owner(await self._tie.run(foreign_owner(self._schema)), self._schema)
        call = calls.register_agent(
            id, options.pool, options.name, socket.gethostname(), os.getpid(), __version__, options.slots, self._lease
        )
        options.check_app(await self._tie.run(call))
        self._id, self._kept_until, self._was_registered = id, sent + self._lease, True
        log.info("agent of the pool %s with %s slots", options.pool, options.slots, extra={"agent": str(id)})
        return id

    async def _ask(self, id: UUID, draining: bool = False) -> Turn:
        slots, sent = self._slots, now()
        call = calls.agent_turn(id, slots.ended(), slots.occupied(), draining, slots.trouble())
        turn = await self._tie.run(call)
        if self._id == id:
            self._kept_until = sent + self._lease  # counted from before the call: never longer than the database counts
        return turn

    async def _serve_pool(self, turn: Turn) -> None:
        """What any agent does for the whole pool."""
        if time.monotonic() >= self._sample_at:
            self._sample_at = time.monotonic() + SAMPLE_EVERY
            await self._tie.run(calls.sample_pools())
        if not turn.autoscale:
            self._scale_at = float("inf")
        elif self._scale_at == float("inf") or time.monotonic() >= self._scale_at:
            after = await self._tie.run(calls.autoscale(self._options.pool, self._options.name))
            self._scale_at = time.monotonic() + after if after is not None else float("inf")

    # What happens beside them.

    async def _watch(self) -> None:
        """Fence this agent when its lease ends, also while a call waits; and make a turn when its workers have changed."""
        ready = self._slots.ready()
        while True:
            await asyncio.sleep(LOOK_EVERY)
            self._publish()
            if self._id is not None and now() > self._kept_until - self._lease / 10:
                self._fence("it could not renew its lease")
            if (before := ready) != (ready := self._slots.ready()):
                self._news.set()
                log.debug("workers that claim: %s, after %s", len(ready), len(before))

    def _publish(self) -> None:
        """Before it is registered, and after its lease has ended, it is not ready, whatever is wanted."""
        wanted = self._slots.wanted() if self._id is not None else max(1, self._slots.wanted())
        self.published.put(self._slots.crew.statuses(), wanted, self._over is not None)

    def _beside_ended(self, task: "asyncio.Task[None]") -> None:
        """Without the watch nothing would fence this agent: it ends, and its service manager starts it again."""
        if not task.cancelled():
            log.critical("a task of the agent has ended; the agent ends", exc_info=task.exception())
            self._exit_code = 1
            self.stop()

    def _fence(self, why: str) -> None:
        """Others may hold its slots: end all workers, once their handlers have, and begin anew without slots."""
        if self._id is not None and self._over is None:
            log.error("%s; others may run its slots: its workers drain, and it begins anew without slots", why)
            self._id = None
            self._slots.drop()

    def _left(self, number: int, code: int) -> None:
        self._slots.gone(number, code)
        self._news.set()

    def _died(self, number: int, death: Death) -> None:
        self._burials.add(death)
        if death.reason == "late" and self._over is not None and self._exit_code == 0:
            self._exit_code = 1

    # The end.

    async def _end(self, crew: Crew) -> None:
        """Hand the slots back at once, and leave when all workers have ended."""
        handing = asyncio.create_task(self._hand_back(), name="pgqueue agent hands back")
        await crew.until_empty()
        handing.cancel()
        await asyncio.wait([handing])
        if self._exit_code < 128:
            await self._burials.drain(BURIED_WITHIN)
        if self._id is not None:
            with suppress(psycopg.Error, PgQueueError, OSError, TimeoutError):
                async with asyncio.timeout(RETIRE_WITHIN):
                    await self._tie.run(calls.retire_agent(self._id))

    async def _hand_back(self) -> None:
        """Others may take the slots while the workers here end; until they have, the agent is seen."""
        backoff = Backoff(min(LONGEST, self._lease / 3))
        while self._id is not None:
            try:
                await self._ask(self._id, draining=True)
                wait = self._every
            except WorkerLost:
                return
            except (psycopg.Error, PgQueueError, OSError):
                wait = backoff.failed()
            await asyncio.sleep(wait)
