"""The part of a job's context that remembers: steps and signals.

The rules are generators that yield what the calls return, sync or async; `drive` and `adrive` run them.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

from psycopg import AsyncConnection, Connection

from .._checks import Duration, interval, invalid, read_duration
from .._steps import Steps, adrive, drive
from .._text import shortened
from ..codec.callables import is_async
from ..database.calls import steps as step_calls
from ..errors import AlreadyFinished, InvalidArgument, LeaseLost, PgQueueError, SignalTimeout, StepNotStored
from ..executor import in_thread
from ..run import Run
from ..transaction.event_loop import is_on_event_loop
from ..transaction.services import Services
from .block import StepBlock
from .memory import Memory, check_name
from .values import StepValue
from .waits import Waits

P = ParamSpec("P")
R = TypeVar("R")


class StepContext(Run):
    """A run whose job remembers what its earlier runs have done."""

    __slots__ = ()

    def _reach(self, what: str) -> Services:
        raise NotImplementedError

    @overload
    def step(self, name: str, function: Callable[P, Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]: ...
    @overload
    def step(self, name: str, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any: ...
    def step(self, name: str, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Do a step of the job once: `await ctx.step("charge", charge, 5)`; in threads without `await`.

        The value is stored with the job. When the job runs again, after a failure, a crash or a wait, the step is not done again,
        and its stored value is returned. A step that was interrupted is done again: make its effects repeatable, or use
        `step_in_transaction`. Inside `ctx.transaction()` it commits together with what the handler writes, and with the job.

        Args:
            name: 1 to 200 characters. A name that is used again in the same run, as in a loop, gets a number: charge, charge#2.
                So the steps of a name must come in the same order in each run.
            function: what is called; its return annotation decides how the value is stored, as with the result of a task. Async
                handlers may give one that is not async, which runs in a thread; handlers in threads give no async one.
            args, kwargs: its arguments. They are not stored.

        Returns:
            The value, as it is read from JSON; in the first run, too.

        Raises:
            InvalidArgument: the name is invalid, or the function is async in a thread.
            StepNotStored: the value has no JSON form or is larger than `max_result_bytes`, or the job has 1,000 steps. The job
                fails without a retry, because the step has been done.
            LeaseLost: the job is no longer owned by this run; the handler should stop.
            AlreadyFinished: `ctx.transaction()` has finished it.
            OutsideWorker: this context has no connections of a worker.
        """
        services = self._reach("ctx.step()")
        if is_on_event_loop():
            call = partial(_call_async, services, function, args, kwargs)
            return adrive(self._step(services, services.app.async_database.run, name, function, call))
        _refuse_async(function)
        return drive(self._step(services, services.app.database.run, name, function, partial(function, *args, **kwargs)))

    @overload
    def step_in_transaction(
        self,
        name: str,
        function: Callable[Concatenate[AsyncConnection[Any], P], Awaitable[R]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Awaitable[R]: ...
    @overload
    def step_in_transaction(
        self, name: str, function: Callable[Concatenate[Connection[Any], P], R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R: ...
    def step_in_transaction(self, name: str, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Do a step whose writes commit together with it: exactly once. Async handlers await it; see `step`.

        The job goes on behind it, unlike behind `ctx.transaction()`, whose pool of connections it uses.

        Args:
            name, args, kwargs: as in `step`.
            function: it gets a connection (psycopg) before its arguments, and leaves COMMIT to the step. It is async in async
                handlers, and is not in threads.

        Returns:
            The value, as it is read from JSON.

        Raises:
            Disconnected: the connection broke. At COMMIT the next run sees whether the step took effect.
            AlreadyFinished: `ctx.transaction()` has finished the job, or is open.
            PgQueueError: and its other kinds, as in `step`.
        """
        services = self._reach("ctx.step_in_transaction()")
        if is_on_event_loop():
            _assert_async(function)
            return self._astep_in_transaction(services, name, function, args, kwargs)
        _refuse_async(function)
        with StepBlock(self, services) as tx:
            call = partial(function, tx.connection, *args, **kwargs)
            return drive(self._step(services, services.app.database.run, name, function, call))

    async def _astep_in_transaction(
        self, services: Services, name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        async with StepBlock(self, services) as tx:
            call = partial(function, tx.connection, *args, **kwargs)
            return await adrive(self._step(services, services.app.async_database.run, name, function, call))

    def wait_for(self, signal: str, timeout: Duration | None = None) -> Any:
        """Wait for a signal: `await ctx.wait_for("approved")`; in threads without `await`. See `PgQueue.signal`.

        If the signal has not come, the run ends here: no worker is held, and the attempt does not count. When it comes, or the
        time is over, the job runs again from its beginning, and gets here again. So do what comes before in steps. A signal that
        came before is there at once; a second wait for it returns the same.

        Args:
            signal: its name, 1 to 200 characters.
            timeout: seconds (or timedelta) from the first call for this signal, in whichever run; None (default) = no limit.

        Returns:
            The payload, decoded from JSON; None if the signal has none.

        Raises:
            SignalTimeout: it has not come in time. It does not come any more; each further run is told the same.
            InvalidArgument: an argument is invalid.
            LeaseLost: the job is no longer owned by this run; the handler should stop.
            AlreadyFinished: `ctx.transaction()` has finished it.
            OutsideWorker: this context has no connections of a worker.
            PgQueueError: it was called inside `ctx.transaction()`.
        """
        services = self._reach("ctx.wait_for()")
        if is_on_event_loop():
            return adrive(self._wait(services.app.async_database.run, signal, timeout))
        return drive(self._wait(services.app.database.run, signal, timeout))

    def _step(
        self, services: Services, run: Callable[..., Any], name: str, function: Callable[..., Any], call: Callable[[], Any]
    ) -> Steps:
        self._refuse_finished("do its steps")
        memory = self.memory = self.memory or Memory()
        name = memory.unique(name)
        value = StepValue(name, function, services.app.settings.max_result_bytes)
        if memory.done is None:
            memory.done = yield run(step_calls.step_values(self.id))
        if name in memory.done:
            return value.load(memory.done[name])
        began = time.perf_counter()
        text = value.dump((yield call()))
        saving = step_calls.save_step(self.id, self.token, name, text, time.perf_counter() - began)
        try:
            is_ours = yield (run if self.block is None else self.block.run)(saving)
        except InvalidArgument as error:
            raise StepNotStored(f"step {name!r}: {error}") from error
        self._assert_ours(is_ours)
        return value.load(text)

    def _wait(self, run: Callable[..., Any], signal: str, timeout: Duration | None) -> Steps:
        self._refuse_finished("wait for signals")
        if self.is_in_block:
            raise PgQueueError(
                f"job {self.id}: it cannot wait for signal {shortened(signal)} inside ctx.transaction(), which would be rolled "
                "back; wait before the block"
            )
        signal = check_name("signal", signal)
        limit = None if timeout is None else interval(read_duration("timeout", timeout))
        told = yield run(step_calls.wait_for(self.id, self.token, signal, limit))
        self._assert_ours(told.answer != "stale")
        if told.answer == "timed_out":
            raise SignalTimeout(f"job {self.id}: signal {signal!r} has not come in time")
        if told.answer == "waits":
            raise Waits(signal, told.until)
        return None if told.payload is None else json.loads(told.payload)

    def _refuse_finished(self, what: str) -> None:
        if self.is_finished:
            raise AlreadyFinished(f"job {self.id} was finished by ctx.transaction(); {what} before that")

    def _assert_ours(self, is_ours: bool) -> None:
        if not is_ours:
            raise LeaseLost(f"job {self.id} is no longer owned by this run")


def _call_async(
    services: Services, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Awaitable[Any]:
    if is_async(function):
        return function(*args, **kwargs)  # type: ignore[no-any-return]
    if services.threads is None:
        return asyncio.to_thread(function, *args, **kwargs)
    return in_thread(partial(function, *args), kwargs, services.threads)


def _refuse_async(function: Any) -> None:
    if is_async(function):
        raise invalid("function", function, "it is async; give a plain `def`, or make the handler `async def`")


def _assert_async(function: Any) -> None:
    if not is_async(function):
        raise invalid("function", function, "it is not async, and the handler is; give an `async def`")
