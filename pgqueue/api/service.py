"""What all requests of one process share: the pool, the notifications, the keys. No state of jobs is here."""

import asyncio
from contextlib import suppress
from ipaddress import ip_address
from typing import TypeVar

from .._process import once
from ..app import PgQueue
from ..database.bridge import arun_exactly
from ..database.call import Call
from ..database.pools import AsyncPool
from ..redact import Redactor
from . import answers
from .callers.caller import Caller
from .callers.keys import Keys
from .callers.rates import RateLimits, Rates
from .events.source import Tools
from .events.streams import Streams
from .health.breaker import Breaker
from .health.counting import Counting
from .health.examination import KEPT, Examined, examined
from .health.health import Health, look
from .health.kept import Kept
from .health.replica import Replica, Unanswered
from .health.troubles import Wrong, wrong
from .prometheus.exposition import Exposition
from .waiting.hub import Hub
from .workers.polls import Polls
from .workers.upkeep import Upkeep

T = TypeVar("T")
PATIENCE = 2.0  # seconds that a request waits for a connection
REPLICA_PATIENCE = 0.5  # seconds that it waits for one to the replica, before it asks the primary


class Service:
    """The part of the API that outlives a request.

    Args:
        app: the app; one without tasks knows only the schema.
        limits: how many requests a key may send.

    Attributes:
        stopping: set when the process is about to end: streams and polls end at once.
        hub: passes notifications of the database on.
        streams: the server-sent events.
        redactor: leaves secrets out of answers.
        examination: what the doctor finds, for some seconds.
        wrong: what is wrong now, for a second.
        keys: finds the keys of requests; `keys.forget()` when the database says that keys have changed.
        rates: counts requests.
        polls: claims of HTTP workers.
        upkeep: does what any worker does for the whole install, once there are HTTP workers or operations.
        counting: counts live jobs beforehand, once a dashboard is in use.
        breaker: refuses calls at once while the database cannot be reached.
        health: whether requests can be served.
        exposition: what /metrics answers.
        replica: answers what may be some seconds old; None = there is none.
    """

    def __init__(self, app: PgQueue, limits: RateLimits | None = None) -> None:
        self.app = app
        self.stopping = asyncio.Event()
        self.redactor = Redactor(app.settings.redact)
        self.hub = Hub(app, self.stopping)
        self.examination: Kept[Examined] = Kept(lambda: examined(app), KEPT)
        self.wrong: Kept[Wrong] = Kept(lambda: wrong(self.run))
        self.keys = Keys(self.run)
        self.rates = Rates(limits or RateLimits())
        self.hub.on_keys = self.keys.forget
        self.streams = Streams(Tools(self.run, self.hub, lambda value: answers.shown(value, self.redactor)), self.stopping)
        self.polls = Polls(self.run, self.hub, self.stopping)
        self.upkeep = Upkeep(app)
        self.counting = Counting(self.run, self.stopping)
        self.breaker = Breaker()
        self.health: Kept[Health] = Kept(lambda: look(self.run))
        self.exposition = Exposition(self.read)
        self.replica = self._replica()

    @once
    def database(self) -> AsyncPool:
        """Runs calls for requests; JSON of users keeps its numbers."""
        app = self.app
        return AsyncPool(app.url, app.statements, app.settings.api_pool_size, "api_pool_size", arun_exactly, PATIENCE)

    async def run(self, call: Call[T], client: str | None = None, key: str | None = None) -> T:
        """Run a call in a transaction of its own.

        Args:
            client: the address that the audit log keeps in place of this server's.
            key: the id of the key for which jobs are added that get no results of other makers.
        """
        with self.breaker.trial():
            return await self.database.run(call, client=client, key=key)

    async def read(self, call: Call[T], caller: Caller | None = None) -> T:
        """Run a call whose answer may be some seconds old: on the replica, if it has what the caller has written."""
        if self.replica is not None and self.replica.serves(_name_of(caller) if caller else None):
            with suppress(Unanswered):
                return await self.replica.run(call)
        return await self.run(call)

    def note_write(self, caller: Caller) -> None:
        """What this caller reads from now on must show what it may have changed until now."""
        if self.replica is not None:
            self.replica.note_write(_name_of(caller))

    def reads_late(self, caller: Caller) -> bool:
        """Whether a replica answers this caller."""
        return self.replica is not None and self.replica.serves(_name_of(caller))

    async def act(self, call: Call[T], address: str) -> T:
        """Run a verb of people from this address, which the audit log keeps."""
        return await self.run(call, _as_inet(address))

    def _replica(self) -> Replica | None:
        settings = self.app.settings
        if settings.read_url is None:
            return None
        url, size = settings.read_url.get_secret_value(), settings.api_pool_size
        pool = AsyncPool(url, self.app.statements, size, "api_pool_size", arun_exactly, REPLICA_PATIENCE)
        return Replica(self.run, pool, self.stopping)

    async def stop(self) -> None:
        """End what runs beside requests, and close the connections."""
        self.stopping.set()
        await self.streams.stop()
        await self.upkeep.stop()
        await self.counting.stop()
        await self.hub.stop()
        await self.keys.stop()
        if self.replica is not None:
            await self.replica.stop()
        await self.database.close()


def _name_of(caller: Caller) -> str:
    return caller.key_id or caller.name


def _as_inet(address: str) -> str | None:
    """An address as PostgreSQL reads it, without the name of an interface; None if it is none, as of a local socket."""
    try:
        return str(ip_address(address.partition("%")[0]))
    except ValueError:
        return None
