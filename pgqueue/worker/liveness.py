"""Heartbeat and LISTEN: one daemon thread and one connection, so that a handler which blocks the event loop keeps its lease."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import psutil
import psycopg

from ..database.backoff import LONGEST, Backoff, Complaints
from ..database.bridge import run_on_own
from ..database.call import Call
from ..database.calls import install as install_calls
from ..database.calls import workers as worker_calls
from ..database.calls.install import (
    CANCEL_WANTED,
    OPERATION_WANTED,
    QUEUES_CHANGED,
    RESULTS_WANTED,
    SCHEDULES_CHANGED,
    STACKS_WANTED,
    TOLD,
    WATCH_WANTED,
)
from ..database.connection import DEADLINE, OwnConnection, open_connection
from ..database.listen import ECHO_WITHIN, hears, leaving_nothing, listen
from ..database.statement import Statements
from ..database.translate import raise_ours
from ..errors import WorkerLost
from ..logs.current import of_job
from .blocker import Blocking, warning
from .lag import LoopLag
from .machine import MemoryWatch, machine
from .signals import Alarm

log = logging.getLogger("pgqueue.worker")
BEAT_AT_LEAST_EVERY = 20.0  # seconds, however long the lease: a beat is also what shows that the connection has gone silent
LOOK_EVERY = 0.25  # seconds between two looks at the clock and the stop flag
LAG_WARNING = 1.0  # seconds for which the event loop may be blocked without a warning

# A clock that also runs while the machine sleeps, if the system has one.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now() -> float:
    """Seconds on the clock that measures leases."""
    return time.clock_gettime(_CLOCK)


class Liveness(threading.Thread):
    """Keeps the lease and passes wake-ups to the event loop.

    Args:
        url: a direct connection: LISTEN does not work through a transaction pooler.
        statements: the statements of the install.
        lease: its length in seconds.
        loop: the worker's event loop.
        alarm: rung on this loop for each wake-up.
        queues: the queues whose wake-ups matter.
        running: ids of jobs whose handlers run now.
        on_lost: called on the loop with the worker id whose lease is lost.
        on_results_wanted: called on the loop each time a process asks for results.
        on_cancel_wanted: called on the loop each time a workflow or a running job was cancelled, or may have been.
        down_for: returns for how many seconds a loop of the worker has been down.
        on_queues_changed: called on the loop each time something was paused or resumed, or settings of a queue were changed.
        on_watch_wanted: called on the loop each time a process asks to hear of jobs, with their ids.
        on_operation_wanted: called on the loop each time an operation was started.
        timed: returns the runs with a timeout, and for how long they have run, as JSON; None for none. Called in the thread.
        stacks: returns what the worker does just now, as JSON; takes for how many seconds the loop has not answered. Called in
            the thread.
        blocker: returns which job blocks the loop, see Blocker. Called in the thread.
        measured: returns what the heartbeat says of the worker besides lag, memory and CPU. Called in the thread.
        is_draining: whether the worker claims nothing more; others hear of it at once. Called in the thread.
        on_told: called on the loop with what people have told the worker, drain or restart, each time that it changes.

    Attributes:
        wake_mode: "notify", or "polling: …" with the reason.
        is_connected: whether its connection works.
        lag: seconds for which the loop was blocked at the longest before the last heartbeat.
    """

    def __init__(
        self,
        url: str,
        statements: Statements,
        lease: float,
        loop: asyncio.AbstractEventLoop,
        alarm: Alarm,
        queues: list[str],
        running: Callable[[], list[int]],
        on_lost: Callable[[UUID], object],
        on_results_wanted: Callable[[], object],
        on_cancel_wanted: Callable[[], object] = lambda: None,
        down_for: Callable[[], float] = lambda: 0.0,
        timed: Callable[[], str | None] = lambda: None,
        on_operation_wanted: Callable[[], object] = lambda: None,
        on_queues_changed: Callable[[], object] = lambda: None,
        on_watch_wanted: Callable[[str], object] = lambda ids: None,
        stacks: Callable[[float], str] = lambda blocked_for: "{}",
        blocker: Callable[[], Blocking | None] = lambda: None,
        measured: Callable[[], dict[str, Any]] = dict,
        is_draining: Callable[[], bool] = lambda: False,
        on_told: Callable[[str], object] = lambda what: None,
    ) -> None:
        super().__init__(name="pgqueue-liveness", daemon=True)
        self._url, self._statements, self._lease = url, statements, lease
        self._beat_every = min(lease / 3, BEAT_AT_LEAST_EVERY)
        self._loop, self._alarm, self._queues = loop, alarm, set(queues)
        self._running, self._on_lost = running, on_lost
        self._on_results_wanted, self._on_cancel_wanted = on_results_wanted, on_cancel_wanted
        self._on_operation_wanted = on_operation_wanted
        self._down_for, self._timed = down_for, timed
        self._on_queues_changed, self._on_watch_wanted = on_queues_changed, on_watch_wanted
        self._stacks, self._lag, self._blocker = stacks, LoopLag(loop), blocker
        self._measured, self._on_told, self._told = measured, on_told, ""
        self._is_draining, self._has_said_draining = is_draining, False
        self._memory = MemoryWatch(machine())
        self._stopped = threading.Event()
        self._worker_id: UUID | None = None
        self._kept_until = 0.0
        self.wake_mode, self.is_connected, self.lag = "starting", False, 0.0

    def adopt(self, worker_id: UUID, since: float) -> None:
        """Keep the lease of this worker from now on; `since` is when its registration was sent."""
        self._kept_until = since + self._lease
        self._worker_id = worker_id

    def take_over(self, ended: "Liveness") -> None:
        """Keep the lease that another thread has kept until it ended."""
        self._worker_id, self._kept_until = ended._worker_id, ended._kept_until

    def stop(self) -> None:
        """End the thread: within LOOK_EVERY, unless the database does not answer."""
        self._stopped.set()

    def run(self) -> None:
        """Connect, listen and beat; again after every failure, until stopped."""
        backoff = Backoff(min(LONGEST, self._lease / 3))
        complaints = Complaints(log, "heartbeat connection")
        self._deaf()
        while not (self._stopped.is_set() or self._loop.is_closed()):
            try:
                with open_connection(self._url, "pgqueue liveness") as connection, leaving_nothing(connection):
                    connection.deadline = min(DEADLINE, self._lease / 3)  # a beat that misses it can be repeated in time
                    self._beat(connection)
                    self._listen(connection)
                    backoff.worked()
                    self.is_connected = True
                    self._serve(connection)
            except Exception as error:  # any error: without this thread nothing would renew the lease or act on its loss
                self.is_connected, pause = False, backoff.failed()
                self._deaf()
                if not self._stopped.is_set():
                    complaints.add(error, pause)
                self.check_lease()
                self._stopped.wait(pause)

    def _listen(self, connection: OwnConnection) -> None:
        """LISTEN, then ask for a claim: a job that is enqueued in between is seen by one of the two."""
        channel = self._run(connection, install_calls.channel())
        listen(connection, channel)
        heard = hears(connection, channel, self._url, "pgqueue liveness echo", min(ECHO_WITHIN, self._lease / 3))
        self.wake_mode = "notify" if heard else "polling: a pooler drops LISTEN; set PGQUEUE_LISTEN_URL"
        self._alarm.is_hearing = heard
        log.info("wake-ups by %s", self.wake_mode)
        self._loop.call_soon_threadsafe(self._alarm.ring)
        self._loop.call_soon_threadsafe(self._on_cancel_wanted)

    def _deaf(self) -> None:
        """Ask for a claim: until it hears again, the worker finds jobs by looking, once a second."""
        if self._alarm.is_hearing:
            self._alarm.is_hearing = False
            with suppress(RuntimeError):  # the event loop is closed
                self._loop.call_soon_threadsafe(self._alarm.ring)

    def _serve(self, connection: OwnConnection) -> None:
        beat_at = 0.0
        while not self._stopped.is_set():
            if now() >= beat_at or self._is_draining() != self._has_said_draining:
                beat_at = now() + self._beat_every
                self._beat(connection)
            self._lag.look(self._blocker)
            self._lag.ping()
            are_stacks_wanted = False
            for notification in connection.notifies(timeout=min(LOOK_EVERY, max(0.0, beat_at - now()))):
                if notification.payload in self._queues:
                    self._loop.call_soon_threadsafe(self._alarm.ring)
                elif notification.payload == RESULTS_WANTED:
                    self._loop.call_soon_threadsafe(self._on_results_wanted)
                elif notification.payload == CANCEL_WANTED:
                    self._loop.call_soon_threadsafe(self._on_cancel_wanted)
                elif notification.payload == OPERATION_WANTED:
                    self._loop.call_soon_threadsafe(self._on_operation_wanted)
                elif notification.payload == SCHEDULES_CHANGED:
                    self._loop.call_soon_threadsafe(self._alarm.scheduled.set)
                elif notification.payload == QUEUES_CHANGED:
                    self._loop.call_soon_threadsafe(self._on_queues_changed)
                elif notification.payload == f"{STACKS_WANTED}{self._worker_id}":
                    are_stacks_wanted = True
                elif notification.payload == f"{TOLD}{self._worker_id}":
                    beat_at = 0.0  # the answer says what
                elif notification.payload.startswith(WATCH_WANTED):
                    self._loop.call_soon_threadsafe(self._on_watch_wanted, notification.payload.removeprefix(WATCH_WANTED))
            if are_stacks_wanted:  # not within the loop, which holds the connection
                self._tell_stacks(connection)
            self.check_lease()

    def _beat(self, connection: OwnConnection) -> None:
        worker_id, sent = self._worker_id, now()
        if worker_id is None or not self._is_worker_alive():
            return
        self.lag = lag = self._lag.take()
        self._warn_of(lag)
        self._memory.look()
        try:
            self._has_said_draining = is_draining = self._is_draining()
            figures = {"draining": is_draining, "loop_lag": lag, **self._measured(), **self._of_process()}
            call = worker_calls.heartbeat(worker_id, self._running(), self.wake_mode, self._timed(), figures)
            beat: worker_calls.Beat = self._run(connection, call)
            self._alarm.workers = beat.workers
        except WorkerLost:
            self._lost(worker_id)
        else:
            self._kept_until = sent + self._lease  # counted from before the call: never longer than the database counts
            self._hear(beat.told)
            if beat.stacks and self.wake_mode.startswith("polling"):
                self._tell_stacks(connection)

    def _of_process(self) -> dict[str, Any]:

        process = psutil.Process()
        try:
            with process.oneshot():
                spent = process.cpu_times()
                return {"memory": process.memory_info().rss, "cpu_seconds": round(spent.user + spent.system, 3)}
        except psutil.Error:
            return {}

    def _hear(self, told: str | None) -> None:
        if told is not None and told != self._told:
            self._told = told
            self._loop.call_soon_threadsafe(self._on_told, told)

    def _tell_stacks(self, connection: OwnConnection) -> None:
        """Tell what the worker does; the loop may be blocked, and shows by what."""
        if self._worker_id is not None:
            stacks = self._stacks(self._lag.open_for())
            self._run(connection, worker_calls.answer_stacks(self._worker_id, stacks))

    def was_answered_within(self, seconds: float) -> bool:
        """Whether the database has answered a heartbeat sent within this many seconds."""
        return now() - (self._kept_until - self._lease) < seconds

    def _is_worker_alive(self) -> bool:
        """Whether to renew the lease. A handler may block the event loop; but no loop of the worker may be down for long."""
        if not self._loop.is_running():
            log.error("the event loop of the worker has stopped; no heartbeat is sent")
            return False
        if (down := self._down_for()) > self._lease:
            log.error("a loop of the worker has been down for %.1f s; no heartbeat is sent, so that others take its jobs", down)
            return False
        return True

    def check_lease(self) -> None:
        """Stop this worker's jobs shortly before the lease ends, because other workers may run them afterwards."""
        if self._worker_id is not None and now() > self._kept_until - self._lease / 10:
            self._lost(self._worker_id)

    def _lost(self, worker_id: UUID) -> None:
        if self._worker_id == worker_id:
            self._worker_id = None
        with suppress(RuntimeError):  # the event loop is closed
            self._loop.call_soon_threadsafe(self._on_lost, worker_id)

    def _warn_of(self, lag: float) -> None:
        """Log when a handler blocks the event loop: the lease is kept, but the other handlers wait."""
        by = self._lag.take_blocker()
        if lag > LAG_WARNING:
            log.warning("%s", warning(lag, by), extra=of_job(by.run) if by else None)

    def _run(self, connection: OwnConnection, call: Call[Any]) -> Any:
        try:
            return call.read(run_on_own(connection, self._statements[call.statement], call.params))
        except psycopg.Error as error:
            raise_ours(error, self._statements.schema, connection)
            raise
