"""`pgqueue worker --processes N`: keeps N worker processes running, rolls them, and stops them together."""

import asyncio
import logging
import signal
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from .. import logs
from ..database.statement import Statements
from ..probes.address import Address
from ..probes.answering import answering
from ..probes.seen import Published
from ..worker.early import EarlySignals
from ..worker.launch import REFUSED, Launch, load_with_logs
from .burials import Burials
from .crew import Crew
from .death import Death
from .place import LONGEST_WAIT
from .recycle import Recycling

log = logging.getLogger("pgqueue.supervisor")
MOST_CRASHES = 5  # in a row in each place, before any process was ready: then it is given up
BURIED_WITHIN = 2.0  # seconds for which a stopping supervisor waits for the database to hear of those that were killed
LOOK_EVERY = 0.2  # seconds between two looks whether to give up, and at what probes see


def supervise(
    launch: Launch,
    processes: int,
    recycling: Recycling | None = None,
    watched: Sequence[Path] = (),
    probes: Address | None = None,
    schemas: Sequence[str] = (),
) -> int:
    """Run worker processes until they are stopped or, in burst mode, until nothing is left.

    Args:
        launch: what each process needs to start.
        processes: their number, for each install.
        recycling: when processes are replaced; None = only those that have ended.
        watched: directories; all processes are rolled whenever a Python file there changes.
        probes: where probes of all processes are served; None = nowhere.
        schemas: the installs that are served, by each process one of them; empty = that of `launch`.

    Returns:
        The exit code: 0; 1 if a process had to be killed while stopping, or if none has ever become ready; 2 if no process can
        run with these settings; 128 + n after a second signal n.

    Raises:
        ConfigurationError: the app cannot be loaded; checked once here, not in every process.
    """
    early = EarlySignals(rolls=True)
    app = load_with_logs(launch)
    recycling = recycling or Recycling()
    recycling = recycling.for_lease(app.settings.lease)
    burials = [Burials(app.url, Statements(schema)) for schema in schemas or [app.settings.schema_name]]
    supervisor = Supervisor(launch, processes, recycling, watched, burials, schemas)
    early.go_to(supervisor.stop)
    try:
        with answering(supervisor.published, probes, app.settings.lease):
            return asyncio.run(supervisor.run())
    finally:
        logs.close()


class Supervisor:
    """Fills as many places as processes are wanted, and passes signals on.

    Args:
        launch: what each process needs to start.
        processes: their number, for each install.
        recycling: when processes are replaced.
        watched: directories whose changes roll all processes.
        burials: tell the database of processes that were killed, one of each install; none = their jobs wait for the lease.
        schemas: the installs that are served, by each process one of them; empty = that of `launch`.

    Attributes:
        published: what it sees of its processes, for probes and for systemd.
    """

    def __init__(
        self,
        launch: Launch,
        processes: int,
        recycling: Recycling | None = None,
        watched: Sequence[Path] = (),
        burials: Sequence[Burials] = (),
        schemas: Sequence[str] = (),
    ) -> None:
        self._launch, self._processes, self._watched = launch, processes, watched
        self._schemas = schemas
        self._refusals = Counter[int]()
        self._recycling = recycling or Recycling()
        self._burials = burials
        self._is_stopped = self._is_killed = False
        self._exit_code = 0
        self._crew: Crew | None = None
        self._rolling: asyncio.Task[None] | None = None
        self.published = Published()

    async def run(self) -> int:
        """Supervise until all processes have ended for good; the exit code."""
        self._handle_signals()
        async with Crew(self._recycling, on_death=self._died, on_ended=self._ended) as crew:
            self._crew = crew
            if not self._is_stopped:
                for number in range(1, self._most + 1):
                    crew.fill(number, self._launch_of(number))
            beside = [asyncio.create_task(self._watch_for_crashes(crew)), asyncio.create_task(self._publish(crew))]
            if self._watched:
                beside.append(asyncio.create_task(self._reload()))
            beside += [asyncio.create_task(burials.run()) for burials in self._burials]
            for task in beside:
                task.add_done_callback(self._beside_ended)
            await crew.until_empty()
            if not self._is_killed:
                await asyncio.gather(*(burials.drain(BURIED_WITHIN) for burials in self._burials))
            for task in [*beside, *([self._rolling] if self._rolling else [])]:
                task.cancel()
        return self._exit_code

    @property
    def _most(self) -> int:
        return self._processes * max(1, len(self._schemas))

    def _launch_of(self, number: int) -> Launch:
        options, launch, of_place = self._launch.options, self._launch, str(number)
        if self._schemas:
            install, its_number = divmod(number - 1, self._processes)
            launch = replace(launch, schema=self._schemas[install])
            of_place = f"{launch.schema}-{its_number + 1}"
        return replace(launch, options=replace(options, name=options.name and f"{options.name}-{of_place}"))

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled, number)
        loop.add_signal_handler(signal.SIGHUP, self.roll)
        loop.add_signal_handler(signal.SIGUSR1, self._dump)

    def stop(self) -> None:
        """End all processes within their grace."""
        self._is_stopped = True
        if self._crew is not None:
            for number in self._crew.places():
                self._crew.leave(number, "now")

    def roll(self) -> None:
        """Replace all processes one after another, by processes that load the code anew; none while another roll goes on."""
        if self._crew is None or self._is_stopped:
            return
        if self._rolling is not None and not self._rolling.done():
            self._rolling.cancel()  # it begins anew: what it has replaced so far may be of the code before
        self._rolling = asyncio.create_task(self._roll(self._crew), name="pgqueue roll")

    async def _roll(self, crew: Crew) -> None:
        log.info("rolling %s worker processes, one after another", len(crew.places()))
        for number in sorted(crew.places()):
            if not await crew.roll(number, self._launch_of(number)):
                log.error("the roll ends: worker process %s could not be replaced; see above", number)
                return
        log.info("all worker processes were replaced")

    async def _reload(self) -> None:
        from .reload import changes  # here, because only development needs watchfiles

        async for names in changes(self._watched):
            log.info("%s changed: rolling", names)
            self.roll()

    def _signalled(self, number: int) -> None:
        assert self._crew is not None
        if not self._is_stopped:
            log.info("stopping %s worker processes; a second signal ends them at once", len(self._crew.pids()))
            self.stop()
            return
        log.warning("second signal: exiting at once; unfinished jobs are rescued after the lease")
        self._is_killed, self._exit_code = True, 128 + number
        self._crew.kill_all("late")

    def _dump(self) -> None:
        if self._crew is not None:
            log.info("the stacks of %s worker processes follow", len(self._crew.pids()))
            self._crew.dump()

    def _ended(self, number: int, code: int) -> None:
        if code == REFUSED and not self._is_stopped and not self._waits(number):
            self._exit_code = REFUSED
            self.stop()

    def _waits(self, number: int) -> bool:
        """Whether others go on: one of several installs that cannot be served, as before its migration, is tried again."""
        assert self._crew is not None
        self._refusals[number] += 1
        is_hopeless = len(self._refusals) == self._most and not self._crew.has_worked
        if len(self._schemas) < 2 or is_hopeless:
            return False
        if self._launch.options.burst:
            self._exit_code = REFUSED
        else:
            pause = min(LONGEST_WAIT, 2.0 ** (self._refusals[number] - 1))
            asyncio.get_running_loop().call_later(pause, self._fill_again, number)
        return True

    def _fill_again(self, number: int) -> None:
        if not self._is_stopped and self._crew is not None:
            self._crew.fill(number, self._launch_of(number))

    def _died(self, number: int, death: Death) -> None:
        if self._burials:
            self._burials[(number - 1) // self._processes].add(death)
        if death.reason == "late" and not self._is_killed:
            log.warning("a process did not stop: a handler blocked it; its jobs run again elsewhere")
            self._exit_code = 1

    def _beside_ended(self, task: "asyncio.Task[None]") -> None:
        """Without it the supervisor would go on blind: it ends, and its service manager starts it again."""
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical("a task of the supervisor has ended; the supervisor ends", exc_info=error)
            self._exit_code = self._exit_code or 1
            self.stop()

    async def _publish(self, crew: Crew) -> None:
        while True:
            self.published.put(crew.statuses(), self._most)
            await asyncio.sleep(LOOK_EVERY)

    async def _watch_for_crashes(self, crew: Crew) -> None:
        """Give up if no process has ever been ready, and all have crashed again and again: another start would not help."""
        while not crew.has_worked:
            views = crew.places().values()
            if views and not self._is_stopped and all(view.failures >= MOST_CRASHES for view in views):
                why = sorted({view.last_error for view in views if view.last_error})
                log.critical(
                    "giving up: no worker process becomes ready; each has ended %s times: %s", MOST_CRASHES, "; ".join(why)
                )
                self._exit_code = 1
                self.stop()
                return
            await asyncio.sleep(LOOK_EVERY)
