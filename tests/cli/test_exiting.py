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
    assert "raised SystemExit; the worker continues" in worker.log()


def test_a_handler_that_cancels_all_tasks_ends_its_worker_which_gives_everything_back(start: Start, look: Look) -> None:
    worker = start("pgqueue.worker", "tests.cli.exiting:app")
    until(lambda: look.value("select count(*) from worker where wake_mode = 'notify'"), "the worker")
    id = look.value("select enqueue('cancel_all', retries => 0)")
    assert worker.ends() == 1, worker.log()
    assert "a handler cancelled the worker's own task" in worker.log()
    assert look.state(id) == "failed"
    assert look.rows("select * from worker") == []


def test_with_several_processes_another_one_takes_its_place(start: Start, look: Look) -> None:
    supervisor = start("pgqueue.worker", "tests.cli.exiting:app", "--processes", "2")
    until(lambda: look.value("select count(*) from worker where wake_mode = 'notify'") == 2, "both")
    before = look.value("select array_agg(id) from worker")
    look.value("select enqueue('cancel_all', retries => 0)")
    until(lambda: look.value("select count(*) from worker where wake_mode = 'notify' and id <> all (%s)", before) == 1, "another")
    supervisor.signal(signal.SIGTERM)
    assert supervisor.ends() == 0, supervisor.log()
