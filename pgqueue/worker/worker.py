"""One worker: its states, from its start to its end; what it is made of stands in `parts`."""

import asyncio
import logging
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from .._trace import loggable
from ..check import check_process_tasks
from ..lifespan import StoppedEarly, entered, unless
from ..logs import current
from .ending import FLUSH_WITHIN, close, drain, end
from .heart import Heart
from .loop_list import add_loops
from .options import WorkerOptions
from .parts import Hooks, Parts
from .process import assert_no_import
from .starting import start
from .status import State, Status
from .stop_signals import StopSignals
from .summary import counted

if TYPE_CHECKING:
    from ..app import PgQueue

log = logging.getLogger("pgqueue.worker")


class Worker:
    """Runs an app's jobs until it is stopped.

    Args:
        app: the app whose tasks it runs.
        options: settings of the worker.

    Attributes:
        recycled_because: why another process shall take its place; None if none shall.
        changed: set when its state changes, for a thread that tells others.
    """

    _parts: Parts  # from the moment on when its lifespan was entered

    def __init__(self, app: "PgQueue", options: WorkerOptions | None = None) -> None:
        self._app = app
        self._options = options or WorkerOptions()
        is_idle = self._options.upkeep_only
        self._queues = () if is_idle else self._options.queues or tuple((name, 1.0) for name in app.queues)
        self._stop = asyncio.Event()
        self._is_built = self._is_started = self._is_drained = False
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
        parts, liveness = self._parts, self._parts.liveness
        return parts.vitals.status(
            self._state(),
            parts.membership.id,
            parts.slots.running,
            parts.finisher.counts,
            connected=liveness.is_connected if liveness.is_alive() else parts.circuit.is_closed,
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
        is_ready = self._is_started and (self._options.upkeep_only or self._parts.vitals.progress.has_claimed)
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
            StopSignals(self._options, self._stop.is_set, self.stop, lambda: self.drain(restart=True)).listen()
        lifespan = None if self._options.upkeep_only else app.lifespan
        try:
            async with entered(lifespan, app, self._stop, FLUSH_WITHIN) as values:
                self._build(values)
                await self._run(self._parts)
            log.info("worker %s ended: %s", self._parts.membership.id, counted(self._parts.counts))
        except StoppedEarly:
            log.info("worker %s was stopped while its lifespan started", self._options.name or os.getpid())
        finally:
            if not self._options.upkeep_only:
                current.set_worker(None)

    def _build(self, values: tuple[Any, ...]) -> None:
        self._parts = Parts(self._app, self._options, self._queues, values, self._hooks())
        add_loops(self._parts, Heart(self._parts))
        self._is_built = True

    def _hooks(self) -> Hooks:
        return Hooks(
            stop=self.stop,
            recycle=self._recycle,
            told=lambda what: self.drain(restart=what == "restart"),
            changed=lambda: self.changed.set(),  # others may put another event there
            measured=self._measured,
            is_draining=lambda: self._state() == "draining",
        )

    async def _run(self, parts: Parts) -> None:
        try:
            try:
                with suppress(StoppedEarly):
                    await unless(self._stop, self._start(parts))
                    await self._stop.wait()
            finally:  # a cancellation of `run`, even by a handler, stops the worker as gracefully as a signal
                await end(parts)
        finally:
            if self._drained is not None:
                self._drained.cancel()
            await close(parts)
        if parts.loops.error is not None:
            raise parts.loops.error

    async def _start(self, parts: Parts) -> None:
        await start(parts)
        self._is_started = True

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
        running = len(self._parts.slots.running)
        log.info("draining: nothing more is claimed; the worker ends when its %s running handlers have", running)
        self._drained = asyncio.get_running_loop().create_task(drain(self._parts), name="pgqueue drain")
        self._drained.add_done_callback(self._end_of_drain)
        self.changed.set()

    def _end_of_drain(self, drained: "asyncio.Task[None]") -> None:
        if not drained.cancelled() and (error := drained.exception()) is not None:
            log.error("draining failed; the worker stops", exc_info=loggable(error))
        self.stop()

    def tell(self, over: list[int], changed: list[int]) -> None:
        """Tell those who wait for them, if any do, that these jobs are over, and that these have changed; on its event loop."""
        if not self._is_built:
            return
        waiters = self._parts.waiters
        self._parts.alarm.ring()  # one of them may be due again in a moment
        if over and waiters.is_asked():
            waiters.over(over)
        waiters.changed(changed)

    def _recycle(self) -> None:
        if self._stop.is_set():  # it ends anyway, and whoever stops it wants no other one
            return
        self.recycled_because = "too many handlers did not end after their timeout"
        log.warning(
            "worker %s ends, so that another one can take its place: %s",
            self._parts.membership.id, self._parts.slots.abandoned,
        )  # fmt: skip
        self.stop()
