"""The end of a job in a transaction, whoever the transaction belongs to: complete, commit, and what if the answer is lost.

The steps are generators that yield the return values of a driver's methods, sync or async. Two functions run them; the async one
awaits the yielded values. So the rules are written once for both.
"""

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from psycopg import OperationalError

from .._steps import Steps
from .._text import LINE, one_line
from .._trace import message_of
from ..database import Call
from ..database.calls import run as run_calls
from ..errors import AlreadyFinished, Disconnected, LeaseLost, NoConnection
from ..run import Run
from ..workflow.own_workflow import MANY
from .event_loop import refuse_on_event_loop
from .services import Services

log = logging.getLogger("pgqueue.worker")
T = TypeVar("T")
C = TypeVar("C")
ASK_WITHIN = 30.0  # seconds in which the database must say whether a COMMIT took effect
ASK_AGAIN = 0.1


class Transaction(Generic[C]):
    """The value of `with ctx.transaction() as tx`.

    Attributes:
        connection: in the transaction that finishes the job: of psycopg, where `connection.transaction()` makes savepoints, and
            back to a pool afterwards, so use SET LOCAL for settings; or the session or connection that was given.
        result: the job's result, JSON; None until the handler sets it.
    """

    def __init__(self, connection: C) -> None:
        self.connection: C = connection
        self.result: Any = None


class Ending(ABC):
    """A block that ends its job in its transaction.

    Args:
        job: the run that it finishes.
        services: the services of its worker.
    """

    _leave: Callable[..., Any]  # commits, or rolls back, as `__exit__` does
    _entered: Transaction[Any]

    def __init__(self, job: Run, services: Services) -> None:
        self._job, self._services = job, services

    def _in_thread(self) -> None:
        """Prepare for a handler in a thread. Raises PgQueueError in async code."""
        refuse_on_event_loop("ctx.transaction()", "`async with`", "`with`")
        self._others: Any = self._services.app.database
        self._pause: Callable[[float], Any] = time.sleep
        self._aside: Callable[[Callable[[], Any]], Any] = _here

    def _in_async_code(self) -> None:
        self._others = self._services.app.async_database
        self._pause = asyncio.sleep
        self._aside = asyncio.to_thread

    def _begin(self) -> Steps:
        self._refuse_second()
        self._job.is_in_block = True
        own = self._job.own_workflow
        self._added_before = own._size() if own else 0
        try:
            self._entered = yield from self._begin_transaction()
        except BaseException as error:
            self._job.is_in_block = False
            if isinstance(error, NoConnection):
                raise Disconnected(f"job {self._job.id}: ctx.transaction(): {error}") from error
            raise
        self._job.block = self
        return self._entered

    def _refuse_second(self) -> None:
        if self._job.is_finished:
            raise AlreadyFinished(f"job {self._job.id} was finished by an earlier ctx.transaction(); put everything in one block")
        if self._job.is_in_block:
            raise AlreadyFinished(f"job {self._job.id}: ctx.transaction() is open; tx.connection.transaction() makes savepoints")

    @abstractmethod
    def _begin_transaction(self) -> Steps:
        """Begin. Returns a `Transaction`."""

    @abstractmethod
    def run(self, call: Call[T]) -> Any:
        """Run a call in the transaction of the block. Returns the answer, or an awaitable for it."""

    @abstractmethod
    def _complete(self, connection: Any) -> Steps:
        """Execute the last statement before COMMIT. Returns its answer."""

    @abstractmethod
    def _commit(self, connection: Any, xid: str) -> Steps:
        """Commit, and ask for the fate of the transaction if it is not known."""

    def _end(self, error: BaseException | None) -> Steps:
        try:
            if error is None:
                yield from self._finish(self._entered.connection)
            else:
                yield self._leave(type(error), error, error.__traceback__)  # rolls back
        finally:
            if not self._job.is_finished and (own := self._job.own_workflow):
                own._drop(self._added_before)
            self._job.is_in_block, self._job.block = False, None

    def _finish(self, connection: Any) -> Steps:
        self._job.is_finishing = True
        try:
            yield from self._complete_and_commit(connection)
            self._job.is_finished = True
        finally:
            self._job.is_finishing = False
        if node := self._job.node:
            node.finished_by = "by ctx.transaction()"

    def _complete_and_commit(self, connection: Any) -> Steps:
        try:
            completed = yield from self._complete(connection)
            self._refuse_late()
        except BaseException as error:
            yield self._leave(type(error), error, error.__traceback__)
            raise
        yield from self._commit(connection, completed.xid)

    def _refuse_late(self) -> None:
        """Raise LeaseLost if the run has passed its timeout. Whoever ends the run waits while `is_finishing` is set."""
        job = self._job
        if job.is_past_timeout and not job.cancelled:
            job.timed_out = True
            raise LeaseLost(f"job {job.id} has passed its timeout; what its transaction wrote is rolled back")

    def _completion(self, complete: Callable[..., Call[run_calls.Completed]]) -> Steps:
        """The call that completes the job; `complete`: makes it."""
        job = self._job
        job.result_json = self._services.result_json(job.task, self._entered.result)
        own = job.own_workflow
        nodes = (yield self._aside(job._added_json)) if own and own._size() > MANY else job._added_json()
        return complete(job.id, job.token, job.result_json, time.perf_counter() - job.started, nodes)

    def _ask(self, xid: str, error: Exception) -> Steps:
        """Ask whether a COMMIT took effect whose answer was lost. Returns if it did."""
        job, deadline = self._job, time.monotonic() + ASK_WITHIN
        why = one_line(message_of(error)[:LINE].strip())  # libpq and SQLAlchemy take several
        log.warning("job %s: COMMIT was not answered (%s); checking whether it took effect", job.id, why)
        while time.monotonic() < deadline:
            try:
                left = max(ASK_AGAIN, deadline - time.monotonic())
                fate = yield self._others.run(run_calls.finished(job.id, job.token, xid), wait=left)
            except OperationalError:
                fate = "not answered"
            if fate == "committed":
                return
            if fate == "running":
                raise Disconnected(f"the connection of job {job.id} broke at COMMIT, and nothing was committed") from error
            if fate == "lost":
                raise self._lost() from error
            yield self._pause(ASK_AGAIN)
        raise Disconnected(f"the connection of job {job.id} broke at COMMIT; whether it took effect is not known") from error

    def _lost(self) -> LeaseLost:
        return LeaseLost(f"job {self._job.id} is no longer owned by this run; what its transaction wrote is rolled back")


def _here(function: Callable[[], Any]) -> Any:
    return function()


async def to_its_end(ending: Coroutine[Any, Any, None]) -> None:
    """Await to the end even if we are cancelled: a COMMIT and the return of a connection must not be interrupted."""
    task, cancelled = asyncio.ensure_future(ending), None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled from task.exception()
    task.result()
