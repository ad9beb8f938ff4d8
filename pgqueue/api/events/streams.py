"""Streams of server-sent events: sources that many readers share, and how many of both a process has."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import suppress

from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from starlette.types import Receive, Scope, Send

from ...database.backoff import Backoff, Complaints
from ..problems import Problem
from ..waiting.gone import watching
from ..waiting.hub import JobEar
from .source import Source, Tools

log = logging.getLogger("pgqueue.api")
MOST_STREAMS = 1000  # of one process
MOST_FILTERS = 64  # sources that linger, such as those of filters
LOOKS = 100  # most looks a second without a notification, by all sources
PING_EVERY = 15.0  # seconds without an event
RETRY = 1000  # milliseconds after which a browser comes again
LEAST = 0.1  # seconds between two looks of a source, however many notifications come
GRACE = 5.0  # seconds for the first reader to come


class Streams:
    """The streams of one process.

    Args:
        tools: what sources need.
        stopping: ends all streams.
    """

    def __init__(self, tools: Tools, stopping: asyncio.Event) -> None:
        self.tools, self.stopping = tools, stopping
        self._sources: dict[Hashable, tuple[Source, asyncio.Task[None], asyncio.Future[None]]] = {}
        self.open = 0
        self._complaints = Complaints(log, "streams: no look at the database; they go on")

    async def source(self, key: Hashable, make: Callable[[], Source]) -> Source:
        """The source with this key, which has looked once.

        Raises:
            Problem: there are too many streams, or sources.
            Exception: why the first look has failed.
        """
        if self.open >= MOST_STREAMS:
            raise Problem("too-many-streams", f"this process has {MOST_STREAMS:,} streams open", {"Retry-After": "10"})
        found = self._sources.get(key)
        if found is None or found[1].done() or found[1].get_loop() is not asyncio.get_running_loop():
            found = self._start(key, make())
        await asyncio.shield(found[2])
        return found[0]

    def _start(self, key: Hashable, source: Source) -> tuple[Source, asyncio.Task[None], asyncio.Future[None]]:
        if source.lingers:
            self._make_room()
        looked: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._run(key, source, looked), name="pgqueue-stream")
        self._sources[key] = source, task, looked
        return self._sources[key]

    def _make_room(self) -> None:
        lingering = [key for key, (source, _, _) in self._sources.items() if source.lingers]
        if len(lingering) < MOST_FILTERS:
            return
        unread = next((key for key in lingering if not self._sources[key][0].readers), None)
        if unread is None:
            raise Problem("too-many-streams", f"this process has streams of {MOST_FILTERS} filters open", {"Retry-After": "10"})
        self._sources.pop(unread)[1].cancel()

    async def _run(self, key: Hashable, source: Source, looked: asyncio.Future[None]) -> None:
        """Look while there are readers, and for some time longer."""
        loop, backoff = asyncio.get_running_loop(), Backoff()
        left_at = loop.time() + GRACE
        try:
            with source.ear() as ear:
                while not source.is_over and (source.readers or loop.time() < left_at):
                    pause = await self._look(source, looked, backoff)
                    if await self._pause(ear, pause):
                        return
                    if source.readers:
                        left_at = loop.time() + source.lingers
        except Exception as error:  # the first look: whoever has asked for it is told
            looked.set_exception(error)
        finally:
            if self._sources.get(key, (None,))[0] is source:
                del self._sources[key]
            source.is_over = True
            source.tell()
            if not looked.done():
                looked.cancel()

    async def _pause(self, ear: JobEar, seconds: float) -> bool:
        """Wait so long, or until a notification comes, but not for nothing. Returns whether the process is about to end."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.sleep(min(seconds, LEAST))
        while (left := began + seconds - loop.time()) > 0 and not ear.heard():
            if await ear.wait(left):
                return True
        return self.stopping.is_set()

    async def _look(self, source: Source, looked: asyncio.Future[None], backoff: Backoff) -> float:
        """Look, and tell what is new. Returns the seconds until the next look. Raises what the first look raises."""
        try:
            is_new = await source.look()
        except Exception as error:
            if not looked.done():
                raise
            pause = backoff.failed()
            self._complaints.add(error, pause)
            return pause
        backoff.worked()
        if is_new:
            source.tell()
        if not looked.done():
            looked.set_result(None)
        return source.pause() if source.pause() < 1 else max(source.pause(), len(self._sources) / LOOKS)

    async def read(self, source: Source, mark: str | None) -> AsyncIterator[bytes]:
        """The events for a reader with this mark, pings, and the end."""
        yield format_sse_event(retry=RETRY)
        while True:
            news = asyncio.ensure_future(source.news())  # before the look: what comes during it is not missed
            try:
                is_last = source.is_over
                for event in source.after(mark):
                    mark = event.mark
                    yield event.written()
                if is_last or self.stopping.is_set():
                    return
                done, _ = await asyncio.wait([news], timeout=PING_EVERY)
            finally:
                news.cancel()
            if not done:
                yield KEEPALIVE_COMMENT

    async def stop(self) -> None:
        """End all streams."""
        tasks = [task for _, task, _ in self._sources.values() if task.get_loop() is asyncio.get_running_loop()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


class Stream(EventSourceResponse):
    """The answer of a stream. It ends with its source, with the process, and as soon as its client has gone.

    Args:
        streams: those of the process.
        source: what it tells of.
        mark: the id of the last event that the reader has got; None = a new reader.
    """

    def __init__(self, streams: Streams, source: Source, mark: str | None) -> None:
        super().__init__(streams.read(source, mark))
        self._streams, self._source = streams, source
        self.headers["Cache-Control"] = "no-cache"
        self.headers["X-Accel-Buffering"] = "no"  # nginx keeps events back otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._streams.open += 1
        self._source.readers += 1
        sending = asyncio.ensure_future(self.stream_response(send))
        try:
            async with watching(receive) as gone:
                await asyncio.wait([sending, gone], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._streams.open -= 1
            self._source.readers -= 1
            sending.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await sending
