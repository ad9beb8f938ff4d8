"""Waiting for jobs to end: pauses between two looks, which end early when a worker notifies that a job is over.

One daemon thread with one connection listens for all waiters of a process. It only makes waiters faster: without it, polling
finds the ended jobs.
"""

import asyncio
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import suppress
from types import TracebackType
from typing import Self, TypeVar

from .._process import this_process
from ..database.backoff import Backoff
from ..database.bridge import run_on_own
from ..database.call import Call
from ..database.calls import install as install_calls
from ..database.calls import logs as log_calls
from ..database.calls import results as result_calls
from ..database.connection import OwnConnection, open_connection
from ..database.listen import hears, leaving_nothing, listen
from ..database.statement import Statements

T = TypeVar("T")
log = logging.getLogger("pgqueue")
ASK_EVERY = 5.0  # seconds; a worker sends notifications for 15 seconds after a request
IDLE = 10.0  # seconds without a waiter until the connection is closed
LOOK_EVERY = 0.25  # seconds between two checks of what the thread has to do


class Waiting:
    """Makes waiters; all waiters of one process share one listener.

    Args:
        url: returns the URL to listen on: a direct connection, not a transaction pooler.
        statements: returns the statements of the install.
    """

    def __init__(self, url: Callable[[], str], statements: Callable[[], Statements]) -> None:
        self._url, self._statements = url, statements
        self._listeners: dict[tuple[int, int], Listener] = {}

    def waiter(self, job_ids: Collection[int]) -> "Waiter":
        """A context manager for a wait in a thread; it keeps a reference to `job_ids` and does not change it."""
        return Waiter(self._listener(), job_ids)

    def async_waiter(self, job_ids: Collection[int]) -> "AsyncWaiter":
        """`waiter` for async code."""
        return AsyncWaiter(self._listener(), job_ids)

    def watcher(self, job_ids: Collection[int]) -> "Waiter":
        """`waiter` for a watch: it also hears when one of these jobs has changed."""
        return Waiter(self._listener(), job_ids, watches=True)

    def async_watcher(self, job_ids: Collection[int]) -> "AsyncWaiter":
        """`watcher` for async code."""
        return AsyncWaiter(self._listener(), job_ids, watches=True)

    def _listener(self) -> "Listener":
        # A forked child touches neither the inherited socket nor an inherited lock: it has no listener yet.
        process = this_process()
        return self._listeners.get(process) or self._listeners.setdefault(process, Listener(self._url, self._statements))

    def close(self) -> None:
        """Close the connection of this process soon, unless it is in use; the next waiter opens a new one."""
        if listener := self._listeners.get(this_process()):
            listener.close()


class _WaiterBase:
    """A wait for jobs, with the notifications that the listener has received about them.

    Attributes:
        watches: whether it is about all changes of the jobs, and not only about their ends.
    """

    def __init__(self, listener: "Listener", job_ids: Collection[int], watches: bool = False) -> None:
        self._listener, self._job_ids, self.watches = listener, job_ids, watches
        self._joined = False
        self._heard: list[int] | None = []

    def heard(self) -> list[int] | None:
        """The jobs with a notification since the last call; None: any of the jobs may be over."""
        with self._listener.lock:
            heard, self._heard = self._heard, []
        return heard

    def hear(self, job_ids: list[int] | None) -> None:
        """Note that these jobs are over, or (None) that any may be. The thread of the listener calls it and holds its lock."""
        if job_ids is None or self._heard is None:
            self._heard = None
        else:
            self._heard += job_ids
        self._wake()

    def _wake(self) -> None:
        raise NotImplementedError

    def _join(self, pause: float) -> None:
        """Listen from the first real pause on: if the first look finds the result, no connection is needed."""
        if pause > 0 and not self._joined:
            self._joined = True
            self._listener.join(self, self._job_ids)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._joined:
            self._listener.leave(self, self._job_ids)


class Waiter(_WaiterBase):
    """A wait in a thread."""

    def __init__(self, listener: "Listener", job_ids: Collection[int], watches: bool = False) -> None:
        super().__init__(listener, job_ids, watches)
        self._event = threading.Event()

    def pause(self, seconds: float) -> None:
        """Wait this many seconds, or until a notification comes."""
        self._join(seconds)
        self._event.wait(seconds)
        self._event.clear()

    def _wake(self) -> None:
        self._event.set()


class AsyncWaiter(_WaiterBase):
    """A wait on an event loop."""

    def __init__(self, listener: "Listener", job_ids: Collection[int], watches: bool = False) -> None:
        super().__init__(listener, job_ids, watches)
        self._loop, self._event = asyncio.get_running_loop(), asyncio.Event()

    async def pause(self, seconds: float) -> None:
        """Wait this many seconds, or until a notification comes."""
        self._join(seconds)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()
        self._event.clear()

    def _wake(self) -> None:
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._event.set)


class Listener:
    """Listens for all waits of one process: a thread with a connection. The thread ends some time after the last wait.

    Args:
        url: returns the URL to listen on.
        statements: returns the statements of the install.

    Attributes:
        lock: held while notifications are passed on.
        is_polling_only: whether a pooler drops its notifications; then this process only polls.
    """

    def __init__(self, url: Callable[[], str], statements: Callable[[], Statements]) -> None:
        self._url, self._statements = url, statements
        self.lock = threading.RLock()  # reentrant: the garbage collector may end a wait anywhere, even inside this lock
        self._waiters: dict[str, list[_WaiterBase]] = {}  # by job id as text, as in a payload
        self._watched = Counter[int]()  # how many watch each job
        self._waits = 0  # for results
        self._is_watch_new = False
        self._thread: threading.Thread | None = None
        self.is_polling_only = False
        self._used_at = 0.0
        self._stop = threading.Event()
        self._backoff = Backoff()

    def join(self, waiter: _WaiterBase, job_ids: Collection[int]) -> None:
        """Pass notifications about these jobs on to this waiter."""
        with self.lock:
            for id in job_ids:
                self._waiters.setdefault(str(id), []).append(waiter)
            self._count(waiter, job_ids, 1)
            self._stop.clear()
            if self._thread is None and not self.is_polling_only:
                self._start()

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="pgqueue-results", daemon=True)
        try:
            thread.start()
        except Exception as error:  # too many threads, or Python is about to end: this wait only polls, the next wait tries again
            log.debug("results: cannot start the listener thread: %s", error)
        else:
            self._thread = thread

    def leave(self, waiter: _WaiterBase, job_ids: Collection[int]) -> None:
        """Undo `join`."""
        with self.lock:
            for id in job_ids:
                waiters = self._waiters[str(id)]
                waiters.remove(waiter)
                if not waiters:
                    self._waiters.pop(str(id), None)
            self._count(waiter, job_ids, -1)
            self._used_at = time.monotonic()

    def _count(self, waiter: _WaiterBase, job_ids: Collection[int], by: int) -> None:
        if not waiter.watches:
            self._waits += by
            return
        self._is_watch_new = self._is_watch_new or by > 0
        self._watched.update(dict.fromkeys(job_ids, by))
        self._watched = +self._watched  # without those that nobody watches any more

    def close(self) -> None:
        """End the thread within LOOK_EVERY, unless there are waits."""
        with self.lock:
            if not self._waiters:
                self._stop.set()

    def _is_over(self, idle: float) -> bool:
        """Whether the thread must stop, because there was no wait for `idle` seconds; the next `join` starts a new thread."""
        with self.lock:
            if self._waiters or (time.monotonic() - self._used_at < idle and not self._stop.is_set()):
                return False
            self._thread = None
            return True

    def _run(self) -> None:
        """Connect and listen; again after every failure, while there are waits."""
        while True:
            try:
                url = self._url()
                with open_connection(url, "pgqueue results") as connection, leaving_nothing(connection):
                    channel = self._listen(connection)
                    if hears(connection, channel, url, "pgqueue results echo"):
                        self._serve(connection)
                    else:
                        self._give_up()
                    return
            except Exception as error:  # any error: the waiters go on polling
                log.debug("results: no connection to listen on: %s", str(error).strip())
            self._stop.wait(self._backoff.failed())
            if self._is_over(idle=0):
                return

    def _listen(self, connection: OwnConnection) -> str:
        channel = self._call(connection, install_calls.done_channel())
        listen(connection, channel)
        return channel

    def _give_up(self) -> None:
        with self.lock:
            self.is_polling_only, self._thread = True, None
        log.info("results: polling, because a pooler drops LISTEN; set PGQUEUE_LISTEN_URL")

    def _serve(self, connection: OwnConnection) -> None:
        ask_at = 0.0
        while not self._is_over(IDLE):
            if self._waiters and (time.monotonic() >= ask_at or self._is_watch_new):
                self._ask(connection)
                self._backoff.worked()
                if not ask_at:  # no notification came for jobs that ended before the workers had the request
                    self._let_all_look()
                ask_at = time.monotonic() + ASK_EVERY
            for notification in connection.notifies(timeout=LOOK_EVERY):
                self._pass_on(notification.payload)

    def _ask(self, connection: OwnConnection) -> None:
        """Ask the workers for notifications: only of jobs that are watched, if nobody waits for results."""
        with self.lock:
            watched, self._is_watch_new = list(self._watched), False
        if watched:
            self._call(connection, log_calls.ask_watch(watched))
        if self._waits:
            self._call(connection, result_calls.ask_results())

    def _pass_on(self, payload: str) -> None:
        heard: dict[_WaiterBase, list[int]] = {}
        with self.lock:
            for id in payload.split(","):
                for waiter in self._waiters.get(id, ()):
                    heard.setdefault(waiter, []).append(int(id))
            for waiter, ids in heard.items():
                waiter.hear(ids)

    def _let_all_look(self) -> None:
        with self.lock:
            for waiter in {waiter for waiters in list(self._waiters.values()) for waiter in waiters}:
                waiter.hear(None)

    def _call(self, connection: OwnConnection, call: Call[T]) -> T:
        return call.read(run_on_own(connection, self._statements()[call.statement], call.params))
