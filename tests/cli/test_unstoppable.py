"""What cannot be stopped does not keep a worker process alive."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable

import pytest

from pgqueue import logs
from pgqueue.errors import NotMigrated
from pgqueue.worker import WorkerOptions, launch

from ..looking import Look
from ..waiting import until
from .conftest import Start
from .handler_start import has_started


@pytest.mark.parametrize(
    ("task", "named"),
    [("swallow", "task Slots._slot"), ("quick", "task CallbackRunner.run"), ("hold_thread", "thread")],
)
def test_what_swallows_its_cancellation_is_named_and_the_process_ends(start: Start, look: Look, task: str, named: str) -> None:
    worker = start("pgqueue.worker", "tests.cli.unstoppable:app", "--grace", "0.2")
    id = look.value("select enqueue(%s)", task)
    until(lambda: has_started(look, id) or look.state(id) == "succeeded", "the job")
    worker.signal(signal.SIGTERM)
    assert worker.ends() == 0
    assert f"still run: {named}" in worker.log()
    assert look.rows("select * from worker") == [], worker.log()


@pytest.mark.parametrize(("error", "code"), [(NotMigrated("no schema"), 2), (OSError("no disk"), 1), (None, 0)])
def test_the_exit_code_tells_of_the_failure_though_a_thread_goes_on(
    monkeypatch: pytest.MonkeyPatch, error: Exception | None, code: int
) -> None:
    ended: list[int] = []

    class Failing:
        is_recycled = False

        def stop(self) -> None: ...

        def __init__(self, app: object, options: object) -> None: ...

        async def run(self) -> None:
            await asyncio.sleep(0)
            if error is not None:
                raise error

    monkeypatch.setattr(launch, "Worker", Failing)
    monkeypatch.setattr(launch, "_threads_left", lambda: ["thread of a handler"])
    monkeypatch.setattr(os, "_exit", ended.append)
    monkeypatch.setattr(logging, "shutdown", lambda: None)
    monkeypatch.setattr(logs, "configure", lambda *arguments: None)
    run: Callable[[], object] = lambda: launch.run(launch.Launch("tests.cli.jobs:app", WorkerOptions()))  # noqa: E731
    if error is None:
        run()
    else:
        with pytest.raises(type(error)):
            run()
    assert ended == [code]
