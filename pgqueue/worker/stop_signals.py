"""The signals that end a worker, or let another one take its place."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable

from .options import WorkerOptions
from .stack_signal import listen_to_signal

log = logging.getLogger("pgqueue.worker")


class StopSignals:
    """Listens to SIGTERM, SIGINT and SIGHUP, and to SIGUSR1 for stacks.

    Args:
        options: of the worker.
        is_stopping: whether it was stopped already.
        stop: ends it within its grace.
        restart: drains it, so that another one takes its place.
    """

    def __init__(
        self,
        options: WorkerOptions,
        is_stopping: Callable[[], bool],
        stop: Callable[[], None],
        restart: Callable[[], None],
    ) -> None:
        self._options, self._is_stopping = options, is_stopping
        self._stop, self._restart = stop, restart

    def listen(self) -> None:
        """Listen from now on, on the event loop that runs."""
        listen_to_signal()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled, number)
        if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:  # else `nohup` or the application wants something else
            loop.add_signal_handler(signal.SIGHUP, self._hung_up)

    def _signalled(self, number: int) -> None:
        if self._is_stopping():
            if self._options.supervised:
                return
            log.warning("second signal: exiting at once; unfinished jobs are rescued after the lease")
            os._exit(128 + number)
        log.info("stopping: running handlers have %s s to end", self._options.grace)
        self._stop()

    def _hung_up(self) -> None:
        """New code is there, or the terminal is gone: another process is to take the place of this one."""
        if not self._options.supervised:  # else the supervisor replaces it
            self._restart()
