"""A handle on an operation: bulk work over a filter, which survives whoever asked for it."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

from .._checks import read_text
from ..client import Client
from ..database import Call
from ..database.calls import operations as calls
from ..database.calls.operations import OperationStatus
from ..errors import JobNotFound, ResultTimeout
from ..waiting.patience import Patience


class Operation:
    """Bulk work over a filter. Workers carry on with it; so does whoever watches it, and then it needs no worker.

    Args:
        client: runs the calls on the install.
        id: the id of the operation.

    Attributes:
        id: the id of the operation.
    """

    __slots__ = ("_client", "_status", "id")

    def __init__(self, client: Client, id: int) -> None:
        self._client, self.id = client, id
        self._status: OperationStatus | None = None

    @property
    def status(self) -> OperationStatus:
        """What it does and its counts, as of the last `refresh`; read at first use."""
        return self._status or self.refresh().status

    @property
    def is_over(self) -> bool:
        """Whether it is done or cancelled, as of the last `refresh`."""
        return self.status.finished_at is not None

    def refresh(self) -> "Operation":
        """Read it again.

        Raises:
            JobNotFound: there is no such operation (any more).
        """
        return self._found(self._client.database.run(calls.operation(self.id)))

    async def arefresh(self) -> "Operation":
        """`refresh` for async code."""
        return self._found(await self._client.async_database.run(calls.operation(self.id)))

    def watch(self, timeout: float | None = None) -> Iterator[OperationStatus]:
        """Its status now and after each change, until it is over; meanwhile carry on with it.

        Args:
            timeout: seconds; None (default) watches without limit.

        Raises:
            ResultTimeout: it was not over in time, and goes on.
            JobNotFound: there is no such operation (any more).
        """
        patience, seen = Patience(timeout), None
        for pause in patience.pauses():
            again = patience.ask(self._client.database.run, calls.carry_on_operations(only_id=self.id))
            if patience.error is None and self.refresh().status != seen:
                yield (seen := self.status)
            if seen is not None and seen.finished_at is not None:
                return
            if again != 0:
                time.sleep(pause)
        raise self._too_late(timeout) from patience.error

    async def awatch(self, timeout: float | None = None) -> AsyncIterator[OperationStatus]:
        """`watch` for async code."""
        patience, seen = Patience(timeout), None
        for pause in patience.pauses():
            again = await patience.aask(self._client.async_database.run, calls.carry_on_operations(only_id=self.id))
            if patience.error is None and (await self.arefresh()).status != seen:
                yield (seen := self.status)
            if seen is not None and seen.finished_at is not None:
                return
            if again != 0:
                await asyncio.sleep(pause)
        raise self._too_late(timeout) from patience.error

    def result(self, timeout: float | None = None) -> OperationStatus:
        """Wait until it is over; meanwhile carry on with it. Returns what came of it. Arguments and errors as in `watch`."""
        for _ in self.watch(timeout):
            pass
        return self.status

    async def aresult(self, timeout: float | None = None) -> OperationStatus:
        """`result` for async code."""
        async for _ in self.awatch(timeout):
            pass
        return self.status

    def cancel(self, by: str | None = None) -> "Operation":
        """End it: what is done stays, the other jobs are left as they are.

        Args:
            by: who cancels it; the database user by default.

        Raises:
            InvalidArgument: `by` is empty or too long.
            WrongState: it is over.
            JobNotFound: there is no such operation (any more).
        """
        self._client.database.run(self._cancelling(by))
        return self.refresh()

    async def acancel(self, by: str | None = None) -> "Operation":
        """`cancel` for async code."""
        await self._client.async_database.run(self._cancelling(by))
        return await self.arefresh()

    def _cancelling(self, by: str | None) -> Call[int]:
        return calls.cancel_operation(self.id, read_text("by", by))

    def _found(self, status: OperationStatus | None) -> "Operation":
        if status is None:
            raise JobNotFound(f"there is no operation {self.id}; it never existed, or the history no longer keeps it")
        self._status = status
        return self

    def _too_late(self, timeout: float | None) -> ResultTimeout:
        return ResultTimeout(f"operation {self.id} was not over within {timeout} s; it goes on")

    def __repr__(self) -> str:
        return f"Operation({self.id})"
