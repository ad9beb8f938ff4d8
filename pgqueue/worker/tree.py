"""Killing a process with everything that it has started."""

import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

import psutil

GONE_WITHIN = 1.0  # seconds that the system gets to end killed processes
LOOK_EVERY = 0.005
ROUNDS = 10  # looks for processes that were started during the look before


def kill_tree(root: psutil.Process, kill: Callable[[], object]) -> bool:
    """Kill a process, its descendants and its group, and wait until they are gone; blocks for a moment.

    Descendants with a session or group of their own are found through their parents, so they are gathered before anything is
    killed. What has left the group and whose parent has ended is not found: a daemon.

    Args:
        root: the process; it leads a group.
        kill: kills it.

    Returns:
        Whether all of its descendants are gone.
    """
    tree = _stopped(root)
    with suppress(ProcessLookupError, PermissionError):  # the process has made no group yet, and has run nothing
        if _has_its_number(root):
            os.killpg(root.pid, signal.SIGKILL)
    kill()
    return kill_all(tree)


def descendants(root: psutil.Process) -> list[psutil.Process]:
    """What a process has started, and what that has started; empty when it has ended."""
    try:
        found: list[psutil.Process] = root.children(recursive=True)
        return found
    except psutil.Error:
        return []


def _stopped(root: psutil.Process) -> list[psutil.Process]:
    """The descendants of a process. They and the process are stopped, so that they start no more."""
    _stop([root])
    found: list[psutil.Process] = []
    for _ in range(ROUNDS):
        new = [process for process in descendants(root) if process not in found]
        if not new:
            break
        _stop(new)
        found += new
    return found


def _has_its_number(root: psutil.Process) -> bool:
    """Whether no other process has got the number of this one since its end. None gets it while the group has members."""
    try:
        return bool(psutil.Process(root.pid) == root)
    except psutil.NoSuchProcess:
        return True


def _stop(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.Error):
            process.suspend()


def kill_all(processes: list[psutil.Process]) -> bool:
    """Kill processes and wait until they are gone. Returns whether they are."""
    for process in processes:
        with suppress(psutil.Error):
            process.kill()
    deadline = time.monotonic() + GONE_WITHIN
    while any(map(_runs, processes)):
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_EVERY)
    return True


def _runs(process: psutil.Process) -> bool:
    """Whether a process runs; one that nobody has reaped after its end does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
