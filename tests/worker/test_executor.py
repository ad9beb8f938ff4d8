"""Where handlers run: by their kind or as declared, and what cannot run in a process."""

from collections.abc import Callable
from typing import Any

import pytest

from pgqueue import INJECTED, Inject, JobContext, PgQueue, Task
from pgqueue.errors import ConfigurationError
from tests.worker import process_jobs
from tests.worker.conftest import burst


def test_what_cannot_run_in_a_process_is_refused_when_it_is_declared(app: PgQueue) -> None:
    async def coroutine() -> None: ...

    def local() -> None: ...

    def in_main() -> None: ...

    in_main.__module__, in_main.__qualname__ = "__main__", "in_main"
    with pytest.raises(ConfigurationError, match=r"'coroutine' is async and cannot run in a process; make it a plain def"):
        app.task(executor="process")(coroutine)
    with pytest.raises(ConfigurationError, match=r"<locals>\.local' cannot be imported by its name; use a function at the top"):
        app.task(executor="process")(local)
    with pytest.raises(ConfigurationError, match=r"<lambda>' cannot be imported"):
        app.task(name="lambda", executor="process")(lambda: None)
    with pytest.raises(
        ConfigurationError, match=r"in the script that was started; move it to a module and start `pgqueue worker"
    ):
        app.task(executor="process")(in_main)
    assert app.tasks == {}


@pytest.mark.parametrize(("given", "allowed"), [("async", "'thread' or 'process'"), ("fork", "'process'")])
def test_an_executor_that_does_not_exist_or_fit_is_refused(app: PgQueue, given: Any, allowed: str) -> None:
    with pytest.raises(
        ConfigurationError, match=f"executor: '{given}' is not valid for task 'where'; use {allowed}, or leave it"
    ):
        app.task(executor=given)(process_jobs.where.function)


def _takes_injected(value: int, client: Inject[Task[..., Any]] = INJECTED) -> None: ...


def _by_call() -> None: ...


def _hidden() -> None: ...


_hides = _hidden
_hidden = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (_takes_injected, "remove the parameter 'client'"),
        (_by_call, r"finds the function alone; decorate the function there with @app\.task"),
        (_hides, r"test_executor\._hidden and finds something else; decorate the function"),
        (process_jobs.where.function, r"process_jobs\.where and finds something else"),
    ],
)
async def test_what_no_process_could_call_is_refused_when_the_worker_starts(
    async_app: PgQueue, function: Callable[..., Any], why: str
) -> None:
    """A function that is registered by a call would run there without its task: without its app's settings."""
    async_app.task(name="bad", executor="process")(function)
    with pytest.raises(ConfigurationError, match=f"task 'bad' runs in a process, .*{why}"):
        await burst(async_app)


def test_a_task_runs_where_its_function_belongs_unless_it_says_otherwise(app: PgQueue) -> None:
    async def coroutine(ctx: JobContext) -> None: ...

    assert app.task(coroutine).executor == "async"
    assert app.task(name="a", executor="thread")(process_jobs.where.function).executor == "thread"
    assert app.task(name="b", executor="process")(process_jobs.where.function).executor == "process"
