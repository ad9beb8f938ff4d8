"""Signals that come before there is an event loop to handle them."""

import signal
import threading
from collections.abc import Callable
from types import FrameType


class Stopped(SystemExit):
    """A signal has come while an app is loaded."""


class EarlySignals:
    """Obeys SIGTERM and SIGINT while an app is loaded: the process ends with exit code 0, or what is loaded never starts.

    The first process of a container needs it: the kernel drops signals that such a process does not handle.

    Args:
        rolls: whether SIGHUP asks for processes with new code: then it does nothing, as those that start later load it anyway.
    """

    def __init__(self, rolls: bool = False) -> None:
        self._stop: Callable[[], object] | None = None
        self._has_come = False
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._handle)
            if rolls:
                signal.signal(signal.SIGHUP, lambda number, frame: None)  # ignored, it would be so in the processes, too

    def go_to(self, stop: Callable[[], object]) -> None:
        """Pass signals on from now on, those that have come, too: the code of an app may have swallowed the exception.

        Args:
            stop: ends what was loaded; called in the main thread, maybe before its event loop runs.
        """
        self._stop = stop
        if self._has_come:
            stop()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._has_come = True
        if self._stop is None:
            raise Stopped(0)
        self._stop()
