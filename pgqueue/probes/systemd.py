"""Tells systemd how things are (sd_notify): datagrams to a socket that NOTIFY_SOCKET names; nothing without it."""

import logging
import os
import socket
import threading
from collections.abc import MutableMapping
from contextlib import suppress

from .seen import Look, Seen

log = logging.getLogger("pgqueue.probes")
EVERY = 1.0  # seconds between two looks; a third of the time of the watchdog if that is shorter
EXTENDED_BY = 15.0  # seconds for which a worker that ends asks at a time


class Systemd(threading.Thread):
    """Says READY, STATUS, WATCHDOG and STOPPING, from `with` on until its end.

    Args:
        path: of the socket; an @ at its beginning stands for a NUL.
        watchdog: seconds within which systemd wants a sign of life; None = it wants none.
        look: says which processes there are; called in this thread.
        within: seconds without progress after which a process counts as stuck.
    """

    def __init__(self, path: str, watchdog: float | None, look: Look, within: float) -> None:
        super().__init__(name="pgqueue-systemd", daemon=True)
        self._path, self._watchdog, self._look, self._within = path, watchdog, look, within
        self._ended = threading.Event()
        self._is_ready = self._is_stopping = False
        self._told = ""

    def __enter__(self) -> "Systemd":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join(EVERY)
        self.send(["STOPPING=1"])

    def run(self) -> None:
        """Look and tell, until the end."""
        every = min(EVERY, self._watchdog / 3) if self._watchdog else EVERY
        while not self._ended.is_set():
            try:
                self.send(self.lines(self._look()))
            except Exception:  # without this thread the watchdog of systemd would end the worker
                log.exception("systemd was not told")
            self._ended.wait(every)

    def lines(self, seen: Seen) -> list[str]:
        """What there is to say now."""
        lines = []
        if seen.is_ending and not self._is_stopping:
            self._is_stopping = True
            lines.append("STOPPING=1")
        elif not self._is_ready and not seen.is_ending and not seen.unready():
            self._is_ready = True
            lines.append("READY=1")
        if not seen.stuck(self._within):
            lines += ["WATCHDOG=1"] if self._watchdog else []
            lines += [f"EXTEND_TIMEOUT_USEC={EXTENDED_BY * 1e6:.0f}"] if seen.is_ending else []
        if (said := _said(seen)) != self._told:
            self._told = said
            lines.append(f"STATUS={said}")
        return lines

    def send(self, lines: list[str]) -> None:
        """Send one datagram; systemd may be restarting, and then nobody listens."""
        if lines:
            path = "\0" + self._path[1:] if self._path.startswith("@") else self._path
            with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
                to.settimeout(EVERY)
                to.sendto("\n".join(lines).encode(), path)


def _said(seen: Seen) -> str:
    running = sum(len(status.running) for status in seen.statuses)
    ready = sum(status.state == "ready" for status in seen.statuses)
    if seen.is_ending:
        return f"ending: {running} jobs still run"
    return f"{ready} of {seen.wanted} processes ready, {running} jobs run"


def of_environment(look: Look, within: float, environment: MutableMapping[str, str] = os.environ) -> Systemd | None:
    """The systemd that has started this process, if one wants to be told. Its variables are taken away from children."""
    path = environment.pop("NOTIFY_SOCKET", None)
    microseconds, pid = environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", "")
    if not path or path[0] not in "/@":
        return None
    is_meant = microseconds.isdecimal() and pid in ("", str(os.getpid()))
    return Systemd(path, int(microseconds) / 1e6 if is_meant and int(microseconds) else None, look, within)
