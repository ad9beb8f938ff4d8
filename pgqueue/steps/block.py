"""A transaction in which a step commits together with what it writes; the job goes on behind it."""

from typing import Any, NoReturn

from psycopg.pq import TransactionStatus

from .._steps import Steps
from ..errors import Disconnected, PgQueueError
from ..transaction.block import Block


class StepBlock(Block):
    """`ctx.transaction()` for a step: its end commits, and does not finish the job.

    The transaction holds the row of the job from `save_step` on, until the server has ended it. So if the answer to COMMIT is
    lost, no other run starts before it is known whether the step was committed, and that run reads it.
    """

    def _finish(self, connection: Any) -> Steps:
        try:
            if connection.info.transaction_status == TransactionStatus.IDLE:
                raise PgQueueError(f"job {self._job.id}: the transaction was ended inside the step; leave that to the step")
            self._refuse_late()
        except BaseException as error:
            yield self._leave(type(error), error, error.__traceback__)
            raise
        yield from self._commit(connection, "")
        if own := self._job.own_workflow:
            self._added_before = own._size()  # nodes that were added in the step stay

    def _ask(self, xid: str, error: Exception) -> NoReturn:
        raise Disconnected(
            f"the connection of job {self._job.id} broke at the COMMIT of a step; the next run sees whether it took effect"
        ) from error
