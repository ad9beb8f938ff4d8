"""The one connection of a process on which the hub listens: opened at first use, always opened again, closed when idle."""

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Protocol, TypeVar

import psycopg
from psycopg import sql

from ...app import PgQueue
from ...database.backoff import Backoff, Complaints
from ...database.bridge import arun_on_own
from ...database.call import Call
from ...database.calls import install as install_calls
from ...database.calls import logs as log_calls
from ...database.calls import results as result_calls
from ...database.connection import OwnAsyncConnection, connect_options
from ...database.listen import ECHO_WITHIN

T = TypeVar("T")
log = logging.getLogger("pgqueue.api")
ASK_EVERY = 5.0  # seconds; a worker sends notifications for 15 seconds after a request
LOOK_EVERY = 0.1  # seconds between two checks of what is to be asked
SWEEP_EVERY = 1.0  # seconds from one look which jobs are over to the next
IDLE = 30.0  # seconds without an ear until the connection is closed
CLOSE_WITHIN = 0.5  # seconds for a good-bye
NAME = "pgqueue api events"  # in pg_stat_activity
SWALLOWED = "polling: a pooler swallows LISTEN; set PGQUEUE_LISTEN_URL"


class Audience(Protocol):
    """Whom the connection serves."""

    def idle_for(self) -> float:
        """Seconds since somebody has waited last; 0 while somebody does."""

    def to_ask(self) -> tuple[bool, list[int], bool]:
        """Whether somebody waits for ends, which jobs are watched, and whether some of this is new since the last call."""

    def to_sweep(self) -> list[int]:
        """Jobs whose ends somebody waits for."""

    def woken(self, payload: str) -> None:
        """A notification on the channel of wakes has come."""

    def changed(self, payload: str) -> None:
        """A notification on the channel of ends and changes has come."""

    def over(self, job_ids: list[int]) -> None:
        """These jobs are over."""

    def look_all(self) -> None:
        """Something may have been missed."""


class Hearing:
    """Listens in a task that runs while somebody waits.

    Args:
        app: the install.
        audience: whom it serves.

    Attributes:
        mode: "notify", or "polling: …" with the reason.
        is_serving: whether there is a connection, which looks which jobs are over, with or without LISTEN.
        since: when it began to listen; None = it does not.
    """

    def __init__(self, app: PgQueue, audience: Audience) -> None:
        self._app, self._audience = app, audience
        self._task: asyncio.Task[None] | None = None
        self._backoff, self._complaints = Backoff(), Complaints(log, "no connection to listen on; waits look each second")
        self.mode = "polling: not started"
        self.is_serving = False
        self.since: float | None = None

    def start(self) -> None:
        """Listen, unless it does."""
        loop = asyncio.get_running_loop()
        if self._task is None or self._task.done() or self._task.get_loop() is not loop:
            self._task = loop.create_task(self._run(), name="pgqueue-hub")

    async def stop(self) -> None:
        """Close the connection."""
        task, self._task = self._task, None
        if task is not None and not task.done() and task.get_loop() is asyncio.get_running_loop():
            task.cancel()
            await asyncio.wait([task])

    async def _run(self) -> None:
        while self._audience.idle_for() < IDLE:
            try:
                async with self._connected() as connection:
                    await self._serve(connection)
            except Exception as error:  # whatever it is: those who wait look by themselves, and it tries again
                pause = self._backoff.failed()
                self._complaints.add(error, pause)
                self._lost("polling: the connection was lost")
                await asyncio.sleep(pause)
        self._lost("polling: nobody waits")

    def _lost(self, mode: str) -> None:
        self.mode, self.is_serving, self.since = mode, False, None
        self._audience.look_all()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[OwnAsyncConnection]:
        url = self._url()
        connection = await OwnAsyncConnection.connect(url, **connect_options(url, NAME))
        try:
            yield connection
        finally:
            with suppress(psycopg.Error, TimeoutError):  # a pooler gives the session of the server to another client
                async with asyncio.timeout(CLOSE_WITHIN):
                    await connection.execute("unlisten *")
            await connection.close()

    async def _serve(self, connection: OwnAsyncConnection) -> None:
        wakes = await self._call(connection, install_calls.channel())
        for channel in (wakes, await self._call(connection, install_calls.done_channel())):
            await connection.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
        hears = await self._hears(connection, wakes)
        self.mode, self.is_serving = "notify" if hears else SWALLOWED, True
        self.since = time.monotonic() if hears else None
        if not hears:
            log.warning("streams and polls look each second, because a pooler swallows LISTEN; set PGQUEUE_LISTEN_URL")
        self._audience.look_all()
        ask_at = sweep_at = 0.0
        while self._audience.idle_for() < IDLE:
            waits, watched, is_new = self._audience.to_ask()
            now = time.monotonic()
            if is_new or now >= ask_at:
                await self._ask(connection, waits, watched)
                ask_at = now + ASK_EVERY
                self._backoff.worked()
                if is_new:  # no notification has come for what happened before the workers had the request
                    self._audience.look_all()
            if now >= sweep_at:
                sweep_at = now + SWEEP_EVERY
                await self._sweep(connection)
            async for notification in connection.notifies(timeout=LOOK_EVERY):
                self._pass_on(notification, wakes)

    def _pass_on(self, notification: psycopg.Notify, wakes: str) -> None:
        if notification.channel == wakes:
            self._audience.woken(notification.payload)
        else:
            self._audience.changed(notification.payload)

    async def _ask(self, connection: OwnAsyncConnection, waits: bool, watched: list[int]) -> None:
        """Ask the workers for notifications, of what somebody waits for; at least show that the connection lives."""
        if watched:
            await self._call(connection, log_calls.ask_watch(watched))
        if waits:
            await self._call(connection, result_calls.ask_results())
        else:
            await self._call(connection, install_calls.channel())

    async def _sweep(self, connection: OwnAsyncConnection) -> None:
        """Look which jobs are over: once for all who wait, whatever their number."""
        if (ids := self._audience.to_sweep()) and (over := await self._call(connection, result_calls.ended(ids))):
            self._audience.over(over)

    async def _hears(self, connection: OwnAsyncConnection, channel: str) -> bool:
        """Whether a notification of another connection arrives; see `database.listen.hears`."""
        echo, url = f"!echo {uuid.uuid4()}", self._url()
        other = await OwnAsyncConnection.connect(url, **connect_options(url, f"{NAME} echo"))
        try:
            await other.execute("select pg_catalog.pg_notify(%s, %s)", (channel, echo))
        finally:
            await other.close()
        ends = time.monotonic() + ECHO_WITHIN
        while time.monotonic() < ends:
            async for notification in connection.notifies(timeout=LOOK_EVERY):
                if notification.payload == echo:
                    return True
        return False

    def _url(self) -> str:
        return self._app.listen_url

    async def _call(self, connection: OwnAsyncConnection, call: Call[T]) -> T:
        return call.read(await arun_on_own(connection, self._app.statements.of(call), call.params))
