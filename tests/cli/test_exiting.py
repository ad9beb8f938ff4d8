"""A handler's child tasks that raise SystemExit or KeyboardInterrupt, which break off an event loop, end no worker."""

import signal

from ..looking import Look
from ..waiting import until
from .conftest import Start


def test_a_child_task_that_exits_is_its_job_s_failure(start: Start, look: Look) -> None:
    worker = start("pgqueue.worker", "tests.cli.exiting:app")
    names = ["exit_in_child", "interrupt_in_group", "exit_in_callback"]
    ids = {name: look.value("select enqueue(%s)", name) for name in names}
    until(lambda: all(look.state(id) == "failed" for id in ids.values()), "their failures")
    errors = {name: look.job(id)["errors"][-1]["type"] for name, id in ids.items()}
    assert errors == {
        "exit_in_child": "SystemExit",
        "interrupt_in_group": "KeyboardInterrupt",
        "exit_in_callback": "ValueError",
    }
    fine = look.value("select enqueue('fine')")
    until(lambda: look.state(fine) == "succeeded", "another job of the same worker")
    assert look.value("select count(*) from worker") == 1
    worker.signal(signal.SIGTERM)
    assert worker.ends() == 0, worker.log()
    assert "raised SystemExit; the worker goes on" in worker.log()
