"""A worker over HTTP: claims, runs handlers as any worker does, keeps its lease, reports."""

import asyncio
import logging
import math
import os
import random
import re
import signal
import socket
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .._json import loads_own
from .._process import refuse_windows
from .._trace import loggable
from ..database.backoff import Backoff, Complaints
from ..errors import ConfigurationError
from ..lifespan import StoppedEarly, entered, injections
from ..redact import Redactor
from ..version import __version__
from ..worker.outcome import outcome
from ..worker.signals import Alarm
from ..worker.slots import Slots
from ..worker.surround import Surroundings
from .context import HttpJobContext
from .link import ApiLink, Refused, Unreachable
from .reports import LogLines, Reports

if TYPE_CHECKING:
    from ..app import PgQueue

log = logging.getLogger("pgqueue.worker")
MOST_CLAIMED = 1000
WAIT = 20.0  # seconds of a poll
LEAVE_WITHIN = 5.0


@dataclass(frozen=True, slots=True)
class HttpWorkerOptions:
    """How an HTTP worker works.

    Attributes:
        url: of the server, without /api/v1.
        key: an API key with the role worker; None = none is needed.
        queues: by default every queue that the tasks name.
        concurrency: handlers that run at the same time.
        lease: seconds without a heartbeat after which its jobs run elsewhere.
        grace: seconds that running handlers may take to end after a signal.
        name: shown in lists of workers; host:pid by default.
        handle_signals: end gracefully on SIGTERM and SIGINT.
    """

    url: str
    key: str | None = field(default=None, repr=False)
    queues: tuple[str, ...] = ()
    concurrency: int = 10
    lease: float = 30.0
    grace: float = 30.0
    name: str | None = None
    handle_signals: bool = True

    def __post_init__(self) -> None:
        refuse_windows("a worker")
        if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", self.url):
            raise ConfigurationError(f"url: {Redactor().text(repr(self.url))} is not valid; use http://host:port or https://host")
        if self.key is not None and not re.fullmatch(r"[!-~]+", self.key):  # the error of the HTTP client would show it
            raise ConfigurationError("key: it has characters that no key has, such as the end of a line; copy it again")
        if not 1 <= self.concurrency <= 1000:
            raise ConfigurationError(f"concurrency: {self.concurrency} is not valid; use 1 to 1000")
        if not 5 <= self.lease <= 3600:
            raise ConfigurationError(f"lease: {self.lease} is not valid; use 5 to 3600 seconds")
        if not 0 <= self.grace < math.inf:
            raise ConfigurationError(f"grace: {self.grace} is not valid; use 0 or more seconds")


class HttpWorker:
    """Runs an app's jobs over the REST API until it is stopped. It needs no connection to the database.

    Args:
        app: the app whose tasks it runs. Others run tasks that run in a process, and nodes of workflows that take results.
        options: settings of the worker.
    """

    def __init__(self, app: "PgQueue", options: HttpWorkerOptions) -> None:
        self._app, self._options = app, options
        self._tasks = {name: task for name, task in app.tasks.items() if task.executor != "process"}
        if not self._tasks:
            raise ConfigurationError("app: it has no tasks that can run here; tasks that run in processes need `pgqueue worker`")
        self._stop = asyncio.Event()
        self._link = ApiLink(options.url, options.key)
        self._id = str(uuid.uuid4())
        self._kept_until = 0.0
        self._complaints = Complaints(log, "the REST API")
        self._backoff = Backoff()

    def stop(self) -> None:
        """End gracefully: claim nothing more, give back what has not started, let running handlers end within the grace."""
        self._stop.set()

    async def run(self) -> None:
        """Work until `stop`, or a signal.

        Raises:
            ConfigurationError: a task cannot run as it was declared.
            Refused: the API refuses this worker, for example its key.
        """
        self._app.freeze()
        if self._options.handle_signals:
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, self.stop)
        try:
            async with entered(self._app.lifespan, self._app, self._stop, self._options.grace) as values:
                self._build(values)
                await self._work()
        except StoppedEarly:
            log.info("the HTTP worker was stopped while its lifespan started")
        finally:
            await self._link.close()

    def _build(self, values: tuple[Any, ...]) -> None:
        app, options = self._app, self._options
        injected = injections(self._tasks.values(), values)
        has_more = app.execution_middleware or injected or any(task.log_level for task in self._tasks.values())
        surrounded = Surroundings(app.execution_middleware, injected, None) if has_more else None  # type: ignore[arg-type]
        self._reports = Reports(self._link, lambda: self._id, max(1000, 2 * options.concurrency), lambda: self._slots.go_on())
        self._lines = LogLines(self._link, lambda: self._id)
        self._slots = Slots(self._tasks, options.concurrency, self._reports.add, self._reports.is_full, Alarm(), surrounded)

    async def _work(self) -> None:
        if not await self._begins():
            return
        log.info("HTTP worker %s started on %s", self._id, ", ".join(self._queues()))
        loops = [self._beat(), self._reports.run(), self._lines.run(), self._slots.timeouts.run(), self._slots.stops.run()]
        running = [asyncio.create_task(loop) for loop in loops]
        claiming, stopped = asyncio.create_task(self._claim()), asyncio.create_task(self._stop.wait())
        try:
            done, _ = await asyncio.wait({claiming, stopped, *running}, return_when=asyncio.FIRST_COMPLETED)
            claiming.cancel()  # whoever is gone claims nothing
            await asyncio.wait({claiming})
            await self._leave()
            for ended in done - {stopped}:
                ended.result()
        finally:
            for task in (*running, claiming, stopped):
                task.cancel()
            await asyncio.wait({*running, claiming, stopped})
            await self._slots.close()

    def _queues(self) -> list[str]:
        return list(self._options.queues or self._app.queues)

    async def _begins(self) -> bool:
        """Register; False if the worker is stopped before the API has answered."""
        registering, stopped = asyncio.create_task(self._register()), asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({registering, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not registering.done():
                log.info("the HTTP worker was stopped before the API had answered")
                return False
            registering.result()
            return True
        finally:
            registering.cancel()
            stopped.cancel()
            await asyncio.wait({registering, stopped})

    async def _register(self) -> None:
        options = self._options
        host = socket.gethostname()[:100]
        body = {
            "id": self._id,
            "name": (options.name or f"{host}:{os.getpid()}")[:100],
            "host": host,
            "pid": os.getpid(),
            "version": __version__,
            "queues": self._queues(),
            "concurrency": options.concurrency,
            "lease": options.lease,
            "tasks": sorted(self._tasks),
        }
        sent = time.monotonic()
        await self._again("/workers", body)
        self._kept_until = sent + options.lease

    async def _again(self, path: str, body: Any, wait: float = 0.0) -> Any:
        """Send a request again and again until the API answers it."""
        while True:
            try:
                answer = await self._link.send(path, body, wait)
            except Unreachable as error:
                self._complaints.add(error, self._backoff.failed())
                await self._backoff.wait()
            else:
                self._backoff.worked()
                return answer

    async def _claim(self) -> None:
        while True:
            want, _ = await self._slots.room()
            id, claim_id = self._id, str(uuid.uuid4())
            body = {"claim_id": claim_id, "queues": self._queues(), "want": min(want, MOST_CLAIMED), "wait": WAIT}
            try:
                answer = await self._again(f"/workers/{id}/claim", body, WAIT)
            except Refused as error:
                if error.kind != "lease-lost":
                    raise
                await self._lost(id)
                continue
            if id == self._id:
                self._add(answer)
            if not answer["jobs"] and answer["look_again_in"] > 0:
                await asyncio.sleep(random.uniform(0, 0.05))

    def _add(self, answer: dict[str, Any]) -> None:
        loop = asyncio.get_running_loop()
        jobs = [HttpJobContext(job, answer["token"], self._link, loop) for job in answer["jobs"]]
        for job in jobs:
            job.sink = self._lines.add
        others = [job for job in jobs if job.node is not None and job.node.takes is not None]
        for job in others:  # another worker, which can read the results of their parents, takes them
            self._reports.add(outcome(job, "unknown_task", 0.0))
        self._slots.add([job for job in jobs if job not in others])

    def _known(self) -> list[int]:
        return [*(job.id for job in self._slots.held()), *self._reports.unflushed()]

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._options.lease / 3 * random.uniform(0.9, 1.0))
            id, sent, timed = self._id, time.monotonic(), self._slots.timeouts.running()
            body = {"running": list(self._slots.running), "known": self._known(), "timed": timed and loads_own(timed)}
            try:
                answer = await self._link.send(f"/workers/{id}/heartbeat", body)
            except Unreachable as error:
                self._complaints.add(error, 1.0)
                if time.monotonic() > self._kept_until - self._options.lease / 10:
                    await self._lost(id)
            except Refused as error:
                if error.kind != "lease-lost":
                    raise
                await self._lost(id)
            else:
                self._kept_until = sent + self._options.lease
                self._end(answer["cancel"])

    def _end(self, cancel: list[dict[str, Any]]) -> None:
        runs = {job.id: job for job in self._slots.held()}
        self._slots.cancel([int(one["job_id"]) for one in cancel if not one["force"]])
        self._slots.fence([runs[int(one["job_id"])] for one in cancel if one["force"] and int(one["job_id"]) in runs])

    async def _lost(self, id: str) -> None:
        """Drop all jobs, which run elsewhere, and register under a new id."""
        if id != self._id:
            return
        log.error("HTTP worker %s lost its lease; its jobs run elsewhere; it registers again", id)
        self._id = str(uuid.uuid4())
        self._reports.drop()
        await self._slots.drop()
        await self._register()

    async def _leave(self) -> None:
        """Give back what has not started, wait for running handlers, report, leave."""
        self._slots.stop()
        with suppress(Unreachable, Refused):  # jobs that have not started: the worker does not know of them any more
            await self._link.send(
                f"/workers/{self._id}/heartbeat", {"running": list(self._slots.running), "known": self._known()}
            )
        if not await self._slots.wait_idle(self._options.grace):
            log.warning("%s handlers did not end in time; their jobs are given back", len(self._slots.running))
        cut_off = [str(id) for id in self._slots.running]
        await self._slots.drop()
        with suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_WITHIN):
                await self._reports.drain()
                await self._lines.flush()
        try:
            async with asyncio.timeout(LEAVE_WITHIN):
                await self._link.send(f"/workers/{self._id}", {"cut_off": cut_off}, method="DELETE")
        except (Unreachable, Refused, TimeoutError) as error:
            log.warning("the API did not answer while stopping; jobs are rescued after the lease", exc_info=loggable(error))
