"""The supervisor with real workers: it rolls them without losing a job, recycles them, and obeys a signal at any moment."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from ..looking import Look
from ..waiting import until
from .conftest import Run, Start
from .test_supervisor import APP, alive, start_job, start_two


def test_sighup_replaces_all_processes_and_a_running_job_ends_in_the_old_one(start: Start, look: Look) -> None:
    supervisor = start_two(start, look, "--grace", "1")
    before = alive(look)
    id = start_job(look, 3)

    supervisor.signal(signal.SIGHUP)

    supervisor.says("all worker processes were replaced")
    until(lambda: not before & alive(look), "the end of the old ones")
    assert look.state(id) == "succeeded"
    assert look.value("select attempt from jobs where id = %s", id) == 1
    assert len(alive(look)) == 2


def test_sigusr1_writes_the_stacks_of_all_processes(start: Start, look: Look) -> None:
    supervisor = start_two(start, look)
    supervisor.signal(signal.SIGUSR1)
    until(lambda: supervisor.log().count("Stack (most recent call first)") == 2, "the stacks of both main threads")
    until(lambda: supervisor.log().count("Thread pgqueue-voice") == 2, "those of the others")
    assert len(alive(look)) == 2


def test_a_single_worker_ends_at_sighup_for_another_to_take_its_place(start: Start, look: Look) -> None:
    worker = start("pgqueue.worker", APP, "--grace", "0.1")
    until(lambda: look.value("select count(*) from worker"), "the worker")
    id = start_job(look, 1)
    worker.signal(signal.SIGHUP)
    assert worker.ends() == 75
    assert look.state(id) == "succeeded"
    assert "exit code 75: it was told to; start another worker" in worker.log()


def test_after_its_jobs_a_process_is_replaced_and_none_is_lost(start: Start, look: Look) -> None:
    supervisor = start("pgqueue.worker", APP, "--max-jobs", "20", "--max-lifetime", "1h", "--max-memory", "2GiB")
    ids = [look.value("select enqueue('pid')") for _ in range(50)]
    supervisor.says("is replaced: it has run")
    until(lambda: {look.state(id) for id in ids} == {"succeeded"}, "all jobs")
    supervisor.signal(signal.SIGTERM)
    assert supervisor.ends() == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            ("--max-memory", "much"),
            "max_memory: 'much' is not valid; use a size of 1MB or more with its unit, such as 512MB or 1GiB",
        ),
        (
            ("--max-memory", "512"),
            "max_memory: '512' is not valid; use a size of 1MB or more with its unit, such as 512MB or 1GiB",
        ),
        (("--max-memory", "2GB", "--max-memory-hard", "1GB"), "max_memory_hard: 1000000000 is not above max_memory (2000000000)"),
        (("--max-lifetime", "soon"), "max_lifetime: 'soon' is not valid"),
        (("--boot-timeout", "0s"), "boot_timeout: 0.0 is not valid; use a value above 0"),
        (("--max-jobs", "0"), "max_jobs: 0 is not valid"),
    ],
)
def test_wrong_limits_are_refused_in_one_line(run: Run, given: tuple[str, ...], said: str) -> None:
    ran = run("worker", APP, *given)
    assert ran.code == 2
    assert said in ran.err
    assert (ran.out + ran.err).count("\n") == 1


@pytest.mark.parametrize("processes", [1, 2])
def test_a_signal_while_the_app_is_loaded_is_obeyed_even_if_its_code_swallows_it(
    start: Start, look: Look, processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = look.value("select enqueue('work')")
    worker = start("tests.cli.early", "--processes", processes)
    worker.says("loading")
    worker.signal(signal.SIGTERM)
    assert worker.ends() == 0
    assert look.state(id) == "ready"
    assert "Traceback" not in worker.log()


def test_a_sighup_while_a_supervisor_loads_its_app_ends_nothing(start: Start) -> None:
    """As when a service manager reloads what it has just started; what is loaded is new."""
    worker = start("tests.cli.early", "--processes", 2)
    worker.says("loading")
    worker.signal(signal.SIGHUP)
    time.sleep(0.1)  # one signal after the other: a process that SIGHUP ends is gone by then
    worker.signal(signal.SIGTERM)
    assert worker.ends() == 0


def test_an_app_that_calls_exit_while_it_is_imported_is_named(start: Start) -> None:
    """An exit code of its own would mean something else, and nothing would say why."""
    worker = start("pgqueue.worker", "tests.cli.leaving", "--processes", 2)
    assert worker.ends() == 2
    assert "app: module 'tests.cli.leaving' calls sys.exit(3) while it is imported" in worker.log()
    assert "Traceback" not in worker.log()


def _terminated_at(start: Start, look: Look, moment: float, *options: object) -> None:
    """Start a worker, end it after a moment, and see that nothing is held and nobody is left."""
    worker = start("pgqueue.worker", APP, *options)
    children = psutil.Process(worker.pid)
    time.sleep(moment)
    left = children.children(recursive=True)
    worker.signal(signal.SIGTERM)
    assert worker.ends() in (0, -signal.SIGTERM)
    until(lambda: not any(child.is_running() for child in left), "the end of its processes")
    assert look.value("select count(*) from job where state = 'running'") == 0
    assert look.value("select count(*) from worker where state = 'active'") == 0
    assert "Traceback" not in worker.log()


@pytest.mark.parametrize("processes", [1, 2])
def test_a_signal_at_any_moment_of_the_start_is_obeyed(start: Start, look: Look, processes: int) -> None:
    for _ in range(20):
        look.value("select enqueue('sleep', '{\"seconds\": 0.05}')")
    for moment in (0.1, random.uniform(0.2, 1.5)):
        _terminated_at(start, look, moment, "--processes", processes)


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_a_signal_at_50_random_moments_of_the_start_is_obeyed(start: Start, look: Look, processes: int) -> None:
    for _ in range(2000):
        look.value("select enqueue('sleep', '{\"seconds\": 0.05}')")
    for _ in range(50):
        _terminated_at(start, look, random.uniform(0, 2.5), "--processes", processes)


def _can_unshare() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "-pf", "--mount-proc", "true"], capture_output=True).returncode == 0


@pytest.mark.skipif(not _can_unshare(), reason="a process id namespace of its own needs unshare, and root")
def test_as_the_first_process_of_a_container_it_reaps_orphans_and_takes_none_for_its_own(
    database_url: str, look: Look, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    alone = ["unshare", "-pf", "--mount-proc", "--kill-child=KILL"]
    command = [*alone, sys.executable, "-m", "pgqueue.worker", APP, "--processes", "2"]
    environment = os.environ | {"PGQUEUE_DATABASE_URL": database_url, "PGQUEUE_LEASE": "2"}
    with log.open("wb") as out:
        unshare = subprocess.Popen(command, env=environment, stdout=out, stderr=out)
    try:
        until(lambda: look.value("select count(*) from worker") == 2, "two workers")
        (first,) = psutil.Process(unshare.pid).children()
        workers = {child.pid for child in first.children()}
        look.value("select enqueue('leave_orphan')")
        until(lambda: len(first.children()) == 3, "the orphan has a new parent")
        until(lambda: {child.pid for child in first.children()} == workers, "it has ended, and is no zombie")
        assert log.read_text().count("another starts") == 0
        first.send_signal(signal.SIGTERM)
        assert unshare.wait(30) == 0
    finally:
        unshare.kill()
        unshare.wait()
