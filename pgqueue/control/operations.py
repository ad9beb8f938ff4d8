"""The operations of an install: what goes on in bulk, and what was done by whom."""

from .._checks import read_id
from ..client import Client
from ..database.calls import operations as calls
from ..database.calls.operations import OperationStatus
from .operation import Operation


class HasOperations(Client):
    """The part of an app that finds operations; `app.jobs(…)` starts them."""

    def operation(self, operation_id: int) -> Operation:
        """A handle on an operation by its id; it is not looked up yet."""
        return Operation(self, read_id("operation_id", operation_id))

    def operations(self, *, only_open: bool = False, limit: int = 20) -> list[OperationStatus]:
        """The latest operations. They are kept as long as the history.

        Args:
            only_open: leave out those that are over; False by default.
            limit: the most that are returned; 20 by default.
        """
        return self.database.run(calls.operations(only_open, limit))

    async def aoperations(self, *, only_open: bool = False, limit: int = 20) -> list[OperationStatus]:
        """`operations` for async code."""
        return await self.async_database.run(calls.operations(only_open, limit))
