"""Registering ends when a worker starts: nothing may be registered that it would not know of."""

from collections.abc import Callable
from typing import Any

import pytest

from pgqueue import PgQueue, Task
from pgqueue.errors import ConfigurationError
from tests.worker.conftest import burst

REGISTER: dict[str, Callable[[PgQueue, Task[..., Any]], object]] = {
    "task 'late'": lambda app, task: app.task(name="late")(lambda: None),
    "around_execution": lambda app, task: app.around_execution(lambda job: None),
    "around_enqueue": lambda app, task: app.around_enqueue(lambda call: None),
    "on_success": lambda app, task: app.on_success(lambda event: None),
    "on_failure": lambda app, task: app.on_failure(task=task)(lambda event: None),
    "on_retry": lambda app, task: app.on_retry(lambda event: None),
    "on_dead": lambda app, task: app.on_dead(task=task)(lambda event: None),
}


@pytest.mark.parametrize("what", REGISTER)
async def test_once_a_worker_has_started_nothing_can_be_registered(
    async_app: PgQueue, welcome: Task[[int], str], what: str
) -> None:
    await burst(async_app)
    with pytest.raises(ConfigurationError, match=f"^{what}: a worker of this app has started, so nothing more can be registered"):
        REGISTER[what](async_app, welcome)
    assert list(async_app.tasks) == ["welcome"]
    assert not async_app.callbacks


async def test_a_handler_cannot_register_either(async_app: PgQueue) -> None:
    @async_app.task(retry=0)
    async def work() -> str:
        try:
            async_app.task(name="late")(lambda: None)
        except ConfigurationError as error:
            return str(error)
        return "registered"

    job = work.enqueue()
    await burst(async_app)
    assert "when the module of the app is imported" in await job.aresult(timeout=0)


async def test_enqueuing_goes_on(async_app: PgQueue, welcome: Task[[int], str]) -> None:
    await burst(async_app)
    job = welcome.using(priority="high").enqueue(1)
    await burst(async_app)
    assert await job.aresult(timeout=0) == "hello 1"
