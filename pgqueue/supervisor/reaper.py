"""Collects the exit codes of processes; as the first process of a container also those of strangers.

A stranger is the orphan of a handler, such as a headless browser: its parent has ended, and the kernel has given it to us.
"""

import os
from collections.abc import Callable
from contextlib import suppress


def is_first() -> bool:
    """Whether orphans of this container become children of this process."""
    return os.getpid() == 1


def reap_strangers(is_ours: Callable[[int], bool]) -> int:
    """Collect the exit codes of ended children that are not ours, which would stay as zombies. Returns how many.

    Args:
        is_ours: whether a process id is one whose exit code somebody waits for.
    """
    reaped = 0
    with suppress(ChildProcessError):  # there are no children at all
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
            if is_ours(ended.si_pid):  # it hides those behind it; its owner collects it, and they are seen at the next look
                return reaped
            os.waitpid(ended.si_pid, 0)
            reaped += 1
    return reaped
