"""A log file that is a new one each day, for any number of processes."""

import glob
import logging
import os
import time
from contextlib import suppress
from datetime import UTC, datetime
from io import TextIOWrapper
from logging.handlers import WatchedFileHandler
from pathlib import Path

with suppress(ImportError):  # on Windows, where no worker runs
    import fcntl

KEPT = 30  # files of days that are over
DAY = 86_400
PATIENCE = 1.0  # seconds; a worker must not wait for a process that was stopped while it renames, or for flock(1)
BUFFER = 65_536  # bytes; a line is written in one piece, because other processes write between two


class DailyFile(WatchedFileHandler):
    """Appends to a file. The first line after midnight (UTC) renames it: `worker.log` becomes `worker.log.2030-01-31`.

    Several processes may write to one file of a local disk. Each line is one write to its end, and whichever process is the first
    to write after midnight renames the file; the others see that it has another one and open it.

    Args:
        path: the file.

    Raises:
        OSError: it cannot be written.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path, encoding="utf-8", errors="backslashreplace")
        self._day = self._day_of_file(int(datetime.now(UTC).timestamp() // DAY))

    def _open(self) -> TextIOWrapper:
        # Not closed here: the handler closes it.
        return TextIOWrapper(open(self.baseFilename, "ab", BUFFER), encoding=self.encoding, errors=self.errors)

    def _day_of_file(self, today: int) -> int:
        """The day of the last line that is there already; today, if there is none."""
        assert self.stream is not None
        found = os.fstat(self.stream.fileno())
        return int(found.st_mtime // DAY) if found.st_size else today

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line. Called under the lock of the handler."""
        today = int(record.created // DAY)
        if today > self._day:
            self._day = today
            try:
                self._turn(today)
            except OSError:
                self.handleError(record)
        super().emit(record)

    def _turn(self, today: int) -> None:
        """Give the file the name of its last day, unless another process has done it."""
        self.reopenIfNeeded()
        assert self.stream is not None
        if not self._lock():
            return
        there, last = Path(self.baseFilename), self._day_of_file(today)
        over = there.with_name(f"{there.name}.{datetime.fromtimestamp(last * DAY, UTC):%Y-%m-%d}")
        if last < today and self._is_open_file(there) and not over.exists():
            there.rename(over)
            _remove_old(there)
            self.reopenIfNeeded()
        else:
            fcntl.flock(self.stream, fcntl.LOCK_UN)

    def _lock(self) -> bool:
        """Lock the file: who waits for it sees afterwards that the file has another name. False if another program keeps it."""
        assert self.stream is not None
        until = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(self.stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    return False
                time.sleep(0.005)
            else:
                return True

    def _is_open_file(self, path: Path) -> bool:
        assert self.stream is not None
        try:
            return os.path.samestat(path.stat(), os.fstat(self.stream.fileno()))
        except FileNotFoundError:
            return False


def _remove_old(path: Path) -> None:
    """Remove the oldest files of days that are over."""
    days = sorted(path.parent.glob(f"{glob.escape(path.name)}.????-??-??"))
    for old in days[:-KEPT]:
        with suppress(OSError):
            old.unlink()
