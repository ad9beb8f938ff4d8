"""The parts of a worker, built and connected; who starts and ends them stands elsewhere."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from .. import logs
from ..context import JobContext
from ..database.connections import Circuit
from ..lifespan import injections
from ..logs import current
from ..transaction.services import Services
from .alerts import DeadLetterAlerts
from .backstop import stretched
from .burst import BURST_BACKSTOP, Burst
from .callbacks import CallbackRunner
from .cancels import Cancels
from .claim import BACKSTOP, Claimer
from .depths import Depths
from .doctor import Doctor
from .figures import Figures
from .finish import Finisher
from .foreign import Foreign
from .in_process import Setup
from .job_logs import JobLogs
from .links import Links
from .liveness import Liveness
from .loops import Loops
from .machine import machine, whole_cores
from .maintenance import Maintenance
from .membership import Membership
from .operations import Operations
from .options import WorkerOptions
from .outcome import Outcome
from .parents import ParentLoader
from .process import Processes
from .queues import QueueWatch
from .scheduler import Scheduler
from .signals import Alarm
from .slots import Slots
from .soft_timeouts import SoftTimeouts
from .summary import Summaries
from .surround import Surroundings
from .vitals import Vitals
from .waiters import Waiters

if TYPE_CHECKING:
    from ..app import PgQueue


@dataclass(frozen=True, slots=True)
class Hooks:
    """What parts ask of their worker.

    Attributes:
        stop: it is to end.
        recycle: it is worn out: another one is to take its place.
        told: somebody told it to drain or to restart.
        changed: its state has changed.
        measured: its figures for a heartbeat; called in the thread of the heartbeat, as is the next.
        is_draining: whether it claims nothing more.
    """

    stop: Callable[[], None]
    recycle: Callable[[], None]
    told: Callable[[str], None]
    changed: Callable[[], None]
    measured: Callable[[], dict[str, Any]]
    is_draining: Callable[[], bool]


class Parts:
    """All parts of one run of a worker; they exist on its event loop, and nothing of them runs yet.

    Args:
        app: the app whose tasks it runs.
        options: its settings.
        queues: with their weights.
        values: what the lifespan has yielded.
        hooks: what the parts ask of the worker.

    Attributes:
        liveness: set by whoever starts them, and again when its thread has ended; see `heart`.
    """

    liveness: Liveness

    def __init__(
        self,
        app: "PgQueue",
        options: WorkerOptions,
        queues: Sequence[tuple[str, float]],
        values: tuple[Any, ...],
        hooks: Hooks,
    ) -> None:
        self.app, self.options, self.hooks = app, options, hooks
        self.queues = [name for name, _ in queues]
        self.tasks = {} if options.upkeep_only else {**app.tasks, app.chunk_task.name: app.chunk_task}
        self.loops = Loops(on_failed=hooks.stop)
        self._build_ground()
        self._build_finishing()
        self._build_running(values)
        self._build_membership()
        self._build_claiming([weight for _, weight in queues])
        self._build_upkeep()
        self._build_watches()

    def _build_ground(self) -> None:
        app = self.app
        self.vitals = Vitals(asyncio.get_running_loop(), self.hooks.changed)
        # While the database is away nothing else is due.
        self.circuit = Circuit(on_failed=self.vitals.progress.made)
        self.links = Links(app.url, app.statements, self.circuit)
        self.alarm, self.counts = Alarm(), Counter[str]()
        self.waiters = Waiters(self.links.maintenance)
        self.logs = JobLogs(self.links.logs, lambda: self.membership.id, self.waiters.changed, self.waiters.is_watching)

    def _build_finishing(self) -> None:
        app, links = self.app, self.links
        self.callbacks = CallbackRunner(app.callbacks, self.counts, on_room=lambda: self.slots.go_on())
        self.finisher = Finisher(
            links.finish,
            links.finish_held,
            links.finish_slow,
            max(1000, 2 * self.options.concurrency),
            self.alarm,
            self.waiters,
            self.counts,
            on_room=lambda: self.slots.go_on(),
            on_finished=self.callbacks.note if app.callbacks else None,
            is_answering=lambda seconds: self.liveness.was_answered_within(seconds),
            logs=self.logs,
        )
        self.finisher.on_noted = self._noted

    def _build_running(self, values: tuple[Any, ...]) -> None:
        options = self.options
        surroundings = self._surroundings(values)
        self.soft_timeouts = SoftTimeouts(self.links.maintenance)
        self.slots = Slots(
            self.tasks,
            options.concurrency,
            self.finisher.add,
            self._is_full if self.app.callbacks else self.finisher.is_full,
            self.alarm,
            surroundings,
            options.timeout_grace,
            on_worn_out=self.hooks.recycle,
            on_soft_timeout=self.soft_timeouts.add,
        )
        self.slots.stops.ask_process = self.processes.ask
        self.summaries = Summaries(self.counts, self.slots, self.queues)
        self.services = Services(self.app, values, self.slots.threads)
        self.services.lines = self.logs.add
        self.services.told = self.waiters.teller(asyncio.get_running_loop())

    def _surroundings(self, values: tuple[Any, ...]) -> Surroundings | None:
        """What handlers need besides a call; None for most apps, which then have no extra cost."""
        app, settings = self.app, self.app.settings
        tasks = [] if self.options.upkeep_only else list(app.tasks.values())
        injected = injections(tasks, values)
        size = settings.process_pool_size or min(self.options.concurrency, whole_cores())
        self.processes = Processes(size, Setup(app.url, settings.schema_name, logs.given()), self._process_started)
        if app.execution_middleware or injected or any(task.executor == "process" or task.log_level for task in tasks):
            return Surroundings(app.execution_middleware, injected, self.processes)
        return None

    def _build_membership(self) -> None:
        app, options = self.app, self.options
        self.membership = Membership(
            self.links.maintenance,
            self.queues,
            options,
            app.settings.lease,
            list(app.schedules.declared),
            sorted(self.tasks),
            {**options.about, **machine().about(), "app_version": app.settings.app_version},
            drop=self.slots.drop,
            adopt=self._adopt,
            alarm=self.alarm,
        )
        if not options.upkeep_only:
            current.set_worker(self.membership.who)

    def _adopt(self, id: UUID, since: float) -> None:
        self.liveness.adopt(id, since)
        self.hooks.changed()  # by the id before nobody could bury it

    def _build_claiming(self, weights: list[float]) -> None:
        is_burst, links = self.options.burst, self.links
        self.parents = ParentLoader(
            links.parents, self.tasks, self.slots, self.finisher.add, bool(self.app.execution_middleware)
        )  # fmt: skip
        self.foreign = Foreign(self.tasks)
        burst = Burst(links.maintenance, self.queues, self.foreign, self._is_busy, self.hooks.stop) if is_burst else None
        self.claimer = Claimer(
            links.claim,
            self.membership.registered_id,
            self.slots,
            self.queues,
            None if self.options.strict else weights,
            self.alarm,
            on_lost=self.membership.lose,
            on_empty=burst.look if burst is not None else _nothing,
            backstop=BURST_BACKSTOP if is_burst else BACKSTOP,
            services=self.services,
            add=self._claimed,
            foreign=self.foreign,
            progress=self.vitals.progress,
            stretch=lambda: 1.0 if is_burst else stretched(self.alarm.peers, self.alarm.is_hearing),
            is_current=self.membership.is_current,
        )

    def _build_upkeep(self) -> None:
        app, link, lease = self.app, self.links.maintenance, self.app.settings.lease
        self.scheduler = Scheduler(link, self.alarm, app.schedules.declared)
        self.maintenance = Maintenance(
            link,
            lease,
            lambda: self.membership.id,
            self.held,
            self.slots.take_stuck,
            self.alarm,
            self.scheduler,
            stretch=lambda: stretched(self.alarm.workers, self.alarm.is_hearing),
        )
        self.operations = Operations(link, lease, self.alarm.upkeep_stretch)
        self.doctor = Doctor(link, self.links.doctor, lambda: self.membership.id, app.settings.schema_name)
        self.alerts = DeadLetterAlerts(app.alerts, self.links.alerts, self.alarm, self.counts)
        self.figures, self.depths = Figures(self.links.figures), Depths(self.links.depths, self.alarm)

    def _build_watches(self) -> None:
        """What hears of changes that others make."""
        link, lease = self.links.maintenance, self.app.settings.lease
        self.queue_watch = QueueWatch(link, self.alarm, self.queues, self.tasks, lease, on_large=self.depths.grown)
        self.cancels = Cancels(
            link,
            lease,
            lambda: self.membership.id,
            self.slots,
            is_heard=lambda: self.liveness.wake_mode == "notify",
        )

    # What they ask of each other.

    def held(self) -> list[int]:
        """Ids of all jobs that this worker has claimed and not reported."""
        slots = self.slots
        return [*slots.running, *slots.preparing, *(job.id for job in slots.waiting), *self.finisher.unflushed()]

    def _is_busy(self) -> bool:
        return bool(self.held()) or self.callbacks.is_telling()  # callbacks may enqueue

    def _is_full(self) -> bool:
        return self.finisher.is_full() or self.callbacks.is_full()

    def _process_started(self, job: JobContext) -> None:
        self.slots.timeouts.start(job, time.perf_counter())

    def _claimed(self, jobs: list[JobContext]) -> None:
        self.parents.add(jobs)
        if self.waiters.is_watching():
            self.waiters.changed([job.id for job in jobs])

    def _noted(self, outcomes: list[Outcome]) -> None:
        self.summaries.durations.add(outcomes)
        self.vitals.errors.note(outcomes)


async def _nothing() -> None:
    """Outside of a burst an empty queue is no news."""
