"""One worker process: connects claim, execute, finish, liveness and maintenance, and ends them in order."""

import asyncio
import logging
import os
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from .. import logs
from .._trace import loggable
from ..check import check_process_tasks
from ..config import is_embedded
from ..context import JobContext
from ..database.calls import limits as limit_calls
from ..database.calls import workers as worker_calls
from ..database.connections import Circuit
from ..errors import Disconnected
from ..lifespan import StoppedEarly, entered, injections, unless
from ..logs import current
from ..redact import Redactor
from ..transaction import Services
from .alerts import DeadLetterAlerts
from .backstop import stretched
from .callbacks import CallbackRunner
from .cancels import Cancels
from .claim import BACKSTOP, Claimer
from .depths import Depths
from .doctor import Doctor
from .execute import Outcome
from .figures import Figures
from .finish import Finisher
from .foreign import Foreign
from .in_process import Setup
from .job_logs import JobLogs
from .links import Links
from .liveness import Liveness
from .loops import LoopEnded, Loops
from .machine import machine, whole_cores
from .maintenance import Maintenance
from .membership import Membership
from .operations import Operations
from .options import WorkerOptions
from .parents import ParentLoader
from .process import Processes, assert_no_import
from .queues import QueueWatch
from .scheduler import Scheduler
from .signals import Alarm
from .slots import Slots
from .soft_timeouts import SoftTimeouts
from .stacks import Stacks, listen_to_signal
from .status import State, Status
from .summary import Summaries, counted
from .surround import Surroundings
from .vitals import Vitals
from .waiters import Waiters

if TYPE_CHECKING:
    from ..app import PgQueue

log = logging.getLogger("pgqueue.worker")
T = TypeVar("T")
FINISH = ("finish", "finish held", "finish slow", "finish alone")
# Loops that a stopping worker needs.
UNTIL_THE_END = (*FINISH, "callbacks", "cancel", "lease", "renew", "timeouts", "stops", "soft timeouts", "job log")
BURST_BACKSTOP = 0.05  # seconds between two checks whether a burst is over
LEAVE_WITHIN = 2.0  # seconds to leave for a worker that never started to work
DRAIN_LOOK = 0.1  # seconds between two looks of a draining worker whether its handlers have ended
TELL_AT_LEAST = 1.0  # seconds for callbacks, even if handlers have used up the grace
UNTOLD_WITHIN = 1.0  # seconds for a cancelled callback to end
FLUSH_WITHIN = 10.0  # seconds beyond the grace for reporting outcomes; and for leaving the lifespan
SUPERUSER = (
    "the worker logs in as %s, a superuser: what an attacker gets it to run may do anything on the server; "
    "use a login that is a member of %s_worker (pgqueue migrate --roles)"
)


class Worker:
    """Runs an app's jobs until it is stopped.

    Args:
        app: the app whose tasks it runs.
        options: settings of the worker.

    Attributes:
        recycled_because: why another process shall take its place; None if none shall.
        changed: set when its state changes, for a thread that tells others.
    """

    def __init__(self, app: "PgQueue", options: WorkerOptions | None = None) -> None:
        self._app = app
        self._options = options or WorkerOptions()
        is_idle = self._options.upkeep_only
        queues = () if is_idle else self._options.queues or tuple((name, 1.0) for name in app.queues)
        self._queues = [name for name, _ in queues]
        self._weights = None if self._options.strict else [weight for _, weight in queues]
        self._stop = asyncio.Event()
        self._is_wait_told = self._is_built = self._is_started = self._is_drained = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._drained: asyncio.Task[None] | None = None
        self.recycled_because: str | None = None
        self.changed = threading.Event()

    @property
    def is_recycled(self) -> bool:
        """Whether another process shall take the place of this one: too many of its slots are abandoned, or it was told so."""
        return self.recycled_because is not None

    def status(self) -> Status:
        """What there is to say of it now. Safe in any thread; it needs neither the database nor the event loop."""
        if not self._is_built:
            return Status("draining" if self._stop.is_set() else "booting", restart=self.is_recycled, drained=self._is_drained)
        liveness = self._liveness
        return self._vitals.status(
            self._state(),
            self._membership.id,
            self._slots.running,
            self._finisher.counts,
            connected=liveness.is_connected if liveness.is_alive() else self._circuit.is_closed,
            wake_mode=liveness.wake_mode,
            lag=liveness.lag,
            restart=self.is_recycled,
            drained=self._is_drained,
        )

    def _measured(self) -> dict[str, Any]:
        status = self.status()
        last_error = {"last_error": status.last_error} if status.last_error else {}
        return {"done": status.done, "failed": status.failed, **last_error}

    def _state(self) -> State:
        if self._stop.is_set() or self._drained is not None:
            return "draining"
        is_ready = self._is_started and (self._options.upkeep_only or self._vitals.progress.has_claimed)
        return "ready" if is_ready else "booting"

    async def run(self) -> None:
        """Work until `stop`, a signal, or in burst mode until nothing is left.

        Raises:
            NotMigrated: the schema is not there.
            ConfigurationError: a task cannot run as it was declared, for example the lifespan lacks a value that it takes.
        """
        app = self._app
        self._loop = asyncio.get_running_loop()
        if not self._options.upkeep_only:
            assert_no_import()
            app.freeze()
            check_process_tasks(app.tasks.values())
        if self._options.handle_signals:
            self._handle_signals()
        lifespan = None if self._options.upkeep_only else app.lifespan
        try:
            async with entered(lifespan, app, self._stop, FLUSH_WITHIN) as values:
                self._build(values)
                await self._run()
            log.info("worker %s ended: %s", self._membership.id, counted(self._finisher.counts))
        except StoppedEarly:
            log.info("worker %s was stopped while its lifespan started", self._options.name or os.getpid())
        finally:
            if not self._options.upkeep_only:
                current.set_worker(None)

    async def _run(self) -> None:
        try:
            try:
                with suppress(StoppedEarly):
                    await unless(self._stop, self._start())
                    await self._stop.wait()
            finally:  # a cancellation of `run`, even by a handler, stops the worker as gracefully as a signal
                await self._end()
        finally:
            if self._drained is not None:
                self._drained.cancel()
            self._callbacks.stop()
            ending = self._loops.cancel()
            self._liveness.stop()
            if self._liveness.is_alive():
                await asyncio.to_thread(self._liveness.join, 1.0)
            # Not earlier: a heartbeat of a worker that has left looks like a lost lease.
            if ending:
                await asyncio.wait(ending, timeout=UNTOLD_WITHIN)
            await self._slots.close()
            await self._services.close()
            await self._processes.close()
            self._callbacks.close()
            self._alerts.close()
            await self._links.connections.close()
        if self._loops.error is not None:
            raise self._loops.error

    def stop(self) -> None:
        """End gracefully: claim nothing more, give back what has not started, let running handlers end within the grace."""
        self._stop.set()
        self.changed.set()

    def drain(self, *, restart: bool = False) -> None:
        """End when the running handlers have, however long that takes: claim nothing more, give back what has not started.

        Safe in any thread. A second call, or `stop` in between, is fine; a worker that does not run yet ends at once.

        Args:
            restart: whether another process shall take its place; see `is_recycled`.
        """
        if self._loop is None:
            self._begin_to_drain(restart)
            return
        with suppress(RuntimeError):  # the loop is closed: the worker has ended
            self._loop.call_soon_threadsafe(self._begin_to_drain, restart)

    def _begin_to_drain(self, restart: bool) -> None:
        if self._stop.is_set():
            return
        self.recycled_because = "it was told to" if restart else None
        if self._drained is not None:
            return
        self._is_drained = True
        if not self._is_started:
            self.stop()
            return
        log.info("draining: nothing more is claimed; the worker ends when its %s running handlers have", len(self._slots.running))
        self._drained = asyncio.get_running_loop().create_task(self._drain(), name="pgqueue drain")
        self._drained.add_done_callback(self._end_of_drain)
        self.changed.set()

    async def _drain(self) -> None:
        self._slots.stop()
        if ending := self._loops.cancel_only("claim", "parents"):
            await asyncio.wait(ending)
        await self._membership.until_answered(lambda: worker_calls.reconcile(self._membership.id, self._held(), grace=0))
        while self._slots.running:  # noqa: ASYNC110 an event would be set after every job
            await asyncio.sleep(DRAIN_LOOK)

    def _end_of_drain(self, drained: "asyncio.Task[None]") -> None:
        if not drained.cancelled() and (error := drained.exception()) is not None:
            log.error("draining failed; the worker stops", exc_info=loggable(error))
        self.stop()

    def tell(self, over: list[int], changed: list[int]) -> None:
        """Tell those who wait for them, if any do, that these jobs are over, and that these have changed; on its event loop."""
        if not self._is_built:
            return
        self._alarm.ring()  # one of them may be due again in a moment
        if over and self._waiters.is_asked():
            self._waiters.over(over)
        self._waiters.changed(changed)

    def _recycle(self) -> None:
        if self._stop.is_set():  # it ends anyway, and whoever stops it wants no other one
            return
        self.recycled_because = "too many handlers did not end after their timeout"
        log.warning("worker %s ends, so that another one can take its place: %s", self._membership.id, self._slots.abandoned)
        self.stop()

    def _surroundings(self, values: tuple[Any, ...]) -> Surroundings | None:
        """What handlers need besides a call; None for most apps, which then have no extra cost."""
        app = self._app
        tasks = [] if self._options.upkeep_only else list(app.tasks.values())
        injected = injections(tasks, values)
        size = app.settings.process_pool_size or min(self._options.concurrency, whole_cores())
        self._processes = Processes(size, Setup(app.url, app.settings.schema_name, logs.given()), self._process_started)
        if app.execution_middleware or injected or any(task.executor == "process" or task.log_level for task in tasks):
            return Surroundings(app.execution_middleware, injected, self._processes)
        return None

    def _process_started(self, job: JobContext) -> None:
        self._slots.timeouts.start(job, time.perf_counter())

    def _is_full(self) -> bool:
        return self._finisher.is_full() or self._callbacks.is_full()

    def _build(self, values: tuple[Any, ...]) -> None:
        app, options = self._app, self._options
        self._vitals = Vitals(asyncio.get_running_loop(), lambda: self.changed.set())
        # While the database is away nothing else is due.
        self._circuit = Circuit(on_failed=self._vitals.progress.made)
        self._links = links = Links(app.url, app.statements, self._circuit)
        self._alarm, counts = Alarm(), Counter[str]()
        self._waiters = waiters = Waiters(links.maintenance)
        self._logs = JobLogs(links.logs, lambda: self._membership.id, waiters.changed, waiters.is_watching)
        self._callbacks = CallbackRunner(app.callbacks, counts, on_room=lambda: self._slots.go_on())
        self._finisher = Finisher(
            links.finish,
            links.finish_held,
            links.finish_slow,
            max(1000, 2 * options.concurrency),
            self._alarm,
            self._waiters,
            counts,
            on_room=lambda: self._slots.go_on(),
            on_finished=self._callbacks.note if app.callbacks else None,
            is_answering=lambda seconds: self._liveness.was_answered_within(seconds),
            logs=self._logs,
        )
        is_full = self._is_full if app.callbacks else self._finisher.is_full
        tasks = {} if options.upkeep_only else {**app.tasks, app.chunk_task.name: app.chunk_task}
        surroundings = self._surroundings(values)
        self._soft_timeouts = SoftTimeouts(links.maintenance)
        self._slots = Slots(
            tasks,
            options.concurrency,
            self._finisher.add,
            is_full,
            self._alarm,
            surroundings,
            options.timeout_grace,
            on_worn_out=self._recycle,
            on_soft_timeout=self._soft_timeouts.add,
        )
        self._slots.stops.ask_process = self._processes.ask
        self._summaries = Summaries(counts, self._slots, self._queues)
        self._finisher.on_noted = self._noted
        self._services = Services(app, values, self._slots.threads)
        self._services.lines, self._services.told = self._logs.add, waiters.teller(asyncio.get_running_loop())
        self._membership = Membership(
            links.maintenance,
            self._queues,
            options,
            app.settings.lease,
            list(app.schedules.declared),
            sorted(tasks),
            {**options.about, **machine().about(), "app_version": app.settings.app_version},
            drop=self._slots.drop,
            adopt=lambda id, since: self._liveness.adopt(id, since),
            alarm=self._alarm,
        )
        if not options.upkeep_only:
            current.set_worker(self._membership.who)
        self._parents = ParentLoader(links.parents, tasks, self._slots, self._finisher.add, bool(app.execution_middleware))
        self._foreign = Foreign(tasks)
        self._claimer = Claimer(
            links.claim,
            self._membership.registered_id,
            self._slots,
            self._queues,
            self._weights,
            self._alarm,
            on_lost=self._membership.lose,
            on_empty=self._emptied,
            backstop=BURST_BACKSTOP if options.burst else BACKSTOP,
            services=self._services,
            add=self._claimed,
            foreign=self._foreign,
            progress=self._vitals.progress,
            stretch=lambda: 1.0 if options.burst else stretched(self._alarm.peers, self._alarm.is_hearing),
        )
        self._alerts = DeadLetterAlerts(app.alerts, links.alerts, self._alarm, counts)
        self._figures, self._depths = Figures(links.figures), Depths(links.depths, self._alarm)
        self._scheduler = Scheduler(links.maintenance, self._alarm, app.schedules.declared)
        self._maintenance = Maintenance(
            links.maintenance,
            app.settings.lease,
            lambda: self._membership.id,
            self._held,
            self._slots.take_stuck,
            self._alarm,
            self._scheduler,
            stretch=lambda: stretched(self._alarm.workers, self._alarm.is_hearing),
        )
        self._queue_watch = QueueWatch(
            links.maintenance, self._alarm, self._queues, tasks, app.settings.lease, on_large=self._depths.grown
        )
        self._operations = Operations(links.maintenance, app.settings.lease, self._alarm.upkeep_stretch)
        self._doctor = Doctor(links.maintenance, links.doctor, lambda: self._membership.id, app.settings.schema_name)
        self._cancels = Cancels(
            links.maintenance,
            app.settings.lease,
            lambda: self._membership.id,
            self._slots,
            is_heard=lambda: self._liveness.wake_mode == "notify",
        )
        self._loops = self._new_loops()
        self._liveness = self._new_liveness()
        self._is_built = True

    def _new_loops(self) -> Loops:
        loops = Loops(on_failed=self.stop)
        if not self._options.upkeep_only:
            loops.add("claim", self._claimer.run)
        loops.add("connections", self._links.connections.run)
        loops.add("parents", self._parents.run)
        loops.add("callbacks", self._callbacks.run)
        loops.add("waiters", self._waiters.run)
        loops.add("job log", self._logs.run)
        loops.add("lease", self._watch_lease)
        loops.add("renew", self._membership.renew)
        loops.add("timeouts", self._slots.timeouts.run)
        loops.add("stops", self._slots.stops.run)
        loops.add("soft timeouts", self._soft_timeouts.run)
        loops.add("summary", self._summaries.run)
        if self._app.alerts:
            loops.add("dead letters", self._alerts.run)
        more = self._queue_watch.steps() | self._cancels.steps() | self._operations.steps()
        more |= self._doctor.steps() | self._figures.steps() | self._depths.steps()
        for name, run in (self._finisher.loops() | self._maintenance.loops(more)).items():
            loops.add(name, run)
        return loops

    def _new_liveness(self) -> Liveness:
        app = self._app
        return Liveness(
            app.listen_url,
            app.statements,
            app.settings.lease,
            asyncio.get_running_loop(),
            self._alarm,
            self._queues,
            running=lambda: list(self._slots.running),
            timed=self._slots.timeouts.running,
            on_lost=self._membership.note_lost,
            on_results_wanted=self._waiters.asked,
            on_cancel_wanted=self._cancels.wanted,
            on_operation_wanted=self._operations.wanted,
            on_queues_changed=self._queue_watch.changed,
            on_watch_wanted=self._waiters.watched,
            down_for=self._loops.longest_down,
            stacks=Stacks(
                asyncio.get_running_loop(),
                threading.get_ident(),
                self._slots.running,
                self._processes.stacks,
                Redactor(app.settings.redact),
            ).take,
            measured=self._measured,
            is_draining=lambda: self._state() == "draining",
            on_told=lambda what: self.drain(restart=what == "restart"),
        )

    async def _start(self) -> None:
        await self._declare_limits()
        await self._scheduler.declare(partial(self._membership.until_answered, tell_locked=True))
        await self._membership.register()
        await self._look_for_foreign()
        self._liveness.start()
        id = self._membership.id
        log.info("worker %s started on %s", id, ", ".join(self._queues) or "no queue: it only does upkeep")
        self._warn_of_superuser()
        self._loops.start()
        self._is_started = True

    async def _look_for_foreign(self) -> None:
        """Know before the first claim which jobs are of other apps or versions: they are then not claimed at all."""
        if not self._options.upkeep_only:
            call = worker_calls.foreign_tasks(self._queues, [*self._app.tasks, self._app.chunk_task.name])
            names = await self._membership.until_answered(lambda: call)
            self._foreign.add(names)

    def _warn_of_superuser(self) -> None:
        settings, login = self._app.settings, self._links.connections.superuser
        if login and not is_embedded(settings):
            log.warning(SUPERUSER, login, settings.schema_name)

    async def _declare_limits(self) -> None:
        """Declare the limits of the app before the first claim, so that no job starts without its limits."""
        for limit in self._app.limits.declared.values():
            call = limit_calls.declare_limit(limit.name, limit.definition())
            changed = await self._membership.until_answered(lambda call=call: call)  # type: ignore[misc]
            if changed is None:
                log.info("limit %s: people have set it; what the code declares applies when they have deleted it", limit.name)
            elif changed:
                # Two apps that declare a limit differently change it at each start: the log shows it.
                log.info("limit %s: as declared now: %s", limit.name, limit.summary())

    def _claimed(self, jobs: list[JobContext]) -> None:
        self._parents.add(jobs)
        if self._waiters.is_watching():
            self._waiters.changed([job.id for job in jobs])

    def _noted(self, outcomes: list[Outcome]) -> None:
        self._summaries.durations.add(outcomes)
        self._vitals.errors.note(outcomes)

    def _held(self) -> list[int]:
        slots = self._slots
        return [*slots.running, *slots.preparing, *(job.id for job in slots.waiting), *self._finisher.unflushed()]

    async def _emptied(self) -> None:
        """In burst mode: stop when no job is left in this worker and in the queues."""
        if not self._options.burst or self._held() or self._callbacks.is_telling():  # callbacks may enqueue
            return
        try:
            if not await self._links.maintenance.run(worker_calls.has_work(self._queues, self._foreign.names)):
                self.stop()
            elif not self._is_wait_told:
                self._is_wait_told = True
                log.info("the burst is not over: jobs of its queues wait for limits or run elsewhere")
        except Disconnected:
            return

    async def _end(self) -> None:
        """Give back jobs that have not started, wait for running jobs, report the outcomes, leave."""
        self._slots.stop()
        if ending := self._loops.cancel(*UNTIL_THE_END):
            await asyncio.wait(ending)
        if self._liveness.ident is None:
            await self._membership.leave_unregistered(LEAVE_WITHIN)
            return
        deadline, cut_off = time.monotonic() + self._options.grace, list[int]()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._options.grace + FLUSH_WITHIN):
                await self._membership.until_answered(lambda: worker_calls.reconcile(self._membership.id, self._held(), grace=0))
                can_finish = not any(map(self._loops.is_given_up, FINISH))
                if not (can_finish and await self._slots.wait_idle(deadline - time.monotonic())):
                    log.warning("%s handlers did not end in time; their jobs are given back", len(self._slots.running))
                    cut_off = list(self._slots.running)
                    await self._slots.drop()
                if can_finish:
                    await self._finisher.drain()
                    await self._callbacks.drain(max(TELL_AT_LEAST, deadline - time.monotonic()))
                await self._logs.drain(LEAVE_WITHIN)
                await self._membership.retire(cut_off)
                return
        if held := self._finisher.only_held():
            log.warning("jobs whose outcomes could not be stored are given back and run again: %s", ", ".join(held))
            # A job that is being reported is locked by that call, and locked jobs are not given back.
            if ending := self._loops.cancel("callbacks", "renew", "lease"):
                await asyncio.wait(ending, timeout=LEAVE_WITHIN)
            if await self._membership.retired_within(LEAVE_WITHIN, cut_off):
                return
        log.warning("the database did not answer while stopping; the remaining jobs are rescued after the lease")

    def _handle_signals(self) -> None:
        listen_to_signal()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled, number)
        if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:  # else `nohup` or the application wants something else
            loop.add_signal_handler(signal.SIGHUP, self._hung_up)

    def _signalled(self, number: int) -> None:
        if self._stop.is_set():
            if self._options.supervised:
                return
            log.warning("second signal: exiting at once; unfinished jobs are rescued after the lease")
            os._exit(128 + number)
        log.info("stopping: running handlers have %s s to end", self._options.grace)
        self.stop()

    def _hung_up(self) -> None:
        """New code is there, or the terminal is gone: another process is to take the place of this one."""
        if not self._options.supervised:  # else the supervisor replaces it
            self.drain(restart=True)

    async def _watch_lease(self) -> None:
        """Check the lease here too, because the heartbeat thread may hang with its connection, or end because of a bug."""
        lease = self._app.settings.lease
        if not self._liveness.is_alive():
            ended, self._liveness = self._liveness, self._new_liveness()
            self._liveness.take_over(ended)
            self._liveness.start()
        while True:
            await asyncio.sleep(lease / 20)
            self._liveness.check_lease()
            if (down := self._loops.longest_down()) > lease:
                self._loops.fail(LoopEnded(f"a loop of the worker has been down for {down:.1f} s"))
            if not self._liveness.is_alive():
                raise RuntimeError("the heartbeat thread has ended; another one takes over")
