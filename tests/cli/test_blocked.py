"""A handler that blocks the event loop hears no signal: the supervisor ends its process, late but surely."""

import asyncio
import signal
from collections.abc import Callable

import pytest

from pgqueue.supervisor import process
from pgqueue.supervisor.supervise import Supervisor
from pgqueue.worker import WorkerOptions
from pgqueue.worker.launch import Launch

from ..looking import Look
from ..waiting import PATIENCE, auntil
from .handler_start import has_started


async def test_a_process_that_does_not_end_is_killed(look: Look, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "KILL_AFTER", 1.0)
    handlers: dict[int, Callable[[], None]] = {}
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "add_signal_handler", lambda number, call, *a: handlers.setdefault(number, lambda: call(*a)))
    launch = Launch("tests.cli.jobs:app", WorkerOptions(grace=0.2), database_url, log_level="error")
    id = look.value("select enqueue('block_loop')")
    running = asyncio.create_task(Supervisor(launch, 1).run())
    await auntil(lambda: has_started(look, id), "the handler has started")

    handlers[signal.SIGTERM]()

    async with asyncio.timeout(PATIENCE):
        assert await running == 1
