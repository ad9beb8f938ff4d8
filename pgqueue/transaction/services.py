"""What the contexts of one worker share: its app, the values of the lifespan, and the connections of `ctx.transaction()`."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..database import AsyncPool, SyncPool
from ..registry import Registry
from ..run import Run
from ..watching.said import Said


class Services:
    """The connections that the contexts of one worker use, opened at first use.

    Args:
        app: the app; its calls run on its own pools.
        values: the values of the lifespan.
        threads: for handlers that are not async; None = the threads of the event loop.

    Attributes:
        transactions, async_transactions: separate pools, because a handler that enqueues in its block needs a connection of each
            kind; with a common pool, handlers that hold all connections would wait for each other without end.
        may_nest: whether a transaction of the application may be part of one that was open: only in a test, which rolls it back.
        lines: takes the log lines of runs; None = they are not kept.
        told: called with the id of a job that has stored its progress; None = nobody is interested.
    """

    may_nest = False
    lines: Callable[[Run, Said], object] | None = None
    told: Callable[[int], object] | None = None

    def __init__(self, app: Registry, values: tuple[Any, ...] = (), threads: ThreadPoolExecutor | None = None) -> None:
        self.app, self.values, self.threads = app, values, threads
        size = app.settings.transaction_pool_size
        # The statements of the handler use the adapters of the application.
        options: dict[str, Any] = {"application_name": "pgqueue transaction", "context": None, "setting": "transaction_pool_size"}
        options["bears_outage"] = True  # a handler goes on after a short outage, as its worker does
        self.transactions = SyncPool(app.url, app.statements, size, **options)
        self.async_transactions = AsyncPool(app.url, app.statements, size, **options)

    def result_json(self, task: str, result: Any) -> str | None:
        """The result of a task in the form that SQL takes. Raises TypeError or ValueError if it is not JSON or is too large."""
        return self.app.registered(task).dump_result(result)

    async def close(self) -> None:
        """Close both pools. A block that is still open in a thread keeps its connection until its end."""
        await self.async_transactions.close()
        await asyncio.to_thread(self.transactions.close)
