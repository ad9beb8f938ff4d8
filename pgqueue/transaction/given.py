"""`ctx.transaction(session)`: on a session or connection of the application."""

from types import TracebackType
from typing import Any, Generic, TypeVar

from .._steps import Steps, adrive, drive
from ..database import Call
from ..database.brackets import abracket, bracket, itself
from ..database.calls import run as run_calls
from ..database.translate import is_answer
from ..errors import PgQueueError
from ..run import Run
from .ending import Ending, Transaction, to_its_end
from .services import Services

T = TypeVar("T")
C = TypeVar("C")


class GivenBlock(Ending, Generic[C]):
    """A `ctx.transaction(connection)`, for `async with` and `with`.

    The transaction is marked when it begins, and the job is completed only where the mark is seen: not after a commit or a
    rollback inside the block, and not in autocommit mode, where nothing would commit together.

    Args:
        job: the run that it finishes.
        services: the services of its worker.
        connection: as in `Task.using`.
    """

    def __init__(self, job: Run, services: Services, connection: C) -> None:
        super().__init__(job, services)
        self._connection: C = itself(connection)

    def __enter__(self) -> Transaction[C]:
        self._in_thread()
        inner = bracket(self._connection, self._services.may_nest)
        self._enter, self._leave = inner.__enter__, inner.__exit__
        entered: Transaction[C] = drive(self._begin())
        return entered

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is None:
                drive(self._flush())
        except BaseException as failed:
            drive(self._end(failed))
            raise
        drive(self._end(error))

    async def __aenter__(self) -> Transaction[C]:
        self._in_async_code()
        inner = abracket(self._connection, self._services.may_nest)
        self._enter, self._leave = inner.__aenter__, inner.__aexit__
        entered: Transaction[C] = await adrive(self._begin())
        return entered

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is None:
                await adrive(self._flush())
        except BaseException as failed:
            await to_its_end(adrive(self._end(failed)))
            raise
        await to_its_end(adrive(self._end(error)))

    def _flush(self) -> Steps:
        """Before our lock on the job, and while the run can still be cancelled: it may wait for rows of the application."""
        if flush := getattr(self._entered.connection, "flush", None):
            yield flush()

    def _begin_transaction(self) -> Steps:
        yield self._enter()
        try:
            yield self._run(run_calls.mark(self._job.token))
        except BaseException as error:
            yield self._leave(type(error), error, error.__traceback__)
            raise
        return Transaction(self._connection)

    def _run(self, call: Call[T]) -> Any:
        return self._others.run(call, self._connection)

    def run(self, call: Call[T]) -> Any:
        """Run a call in the transaction of the block. Returns the answer, or an awaitable for it."""
        return self._run(call)

    def _complete(self, connection: Any) -> Steps:
        completed = yield self._run((yield from self._completion(run_calls.complete_marked)))
        if completed.verdict == "unmarked":
            raise PgQueueError(
                f"job {self._job.id}: the transaction was ended inside ctx.transaction(), or its connection is in autocommit "
                "mode; the job was not completed. Leave commit and rollback to the block, and turn autocommit off"
            )
        if completed.verdict is not None:
            raise self._lost()
        return completed

    def _commit(self, connection: Any, xid: str) -> Steps:
        try:
            yield self._leave(None, None, None)
        except Exception as error:
            if is_answer(error):
                raise  # COMMIT was refused, so it is rolled back
            yield from self._ask(xid, error)
