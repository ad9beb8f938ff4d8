"""Where the lines of this process go: stdout and, if wanted, a file."""

import logging
import os
import sys
from contextlib import suppress
from enum import StrEnum
from typing import Any, NamedTuple, TextIO

from .._text import one_line
from ..config import Settings
from ..errors import ConfigurationError
from ..redact import Redactor
from .daily import DailyFile
from .formats import AsJson, ForPeople

PIPED_WIDTH = 200  # columns if stdout is not a terminal


class Format(StrEnum):
    """How logs are written."""

    json = "json"
    console = "console"


class Given(NamedTuple):
    """A configuration: what another process needs to log like this one.

    Attributes:
        level: the lowest level that is shown.
        format: json (one object in each line) or console; None = console if stdout is a terminal, else JSON. In a file: JSON.
        file: a file to log to, beside stdout; None = none.
        redact: see Redactor.
    """

    level: str = "info"
    format: str | None = None
    file: str | None = None
    redact: tuple[str, ...] | None = None


_given: Given | None = None


def given() -> Given | None:
    """The configuration of this process; None if it is the application's own."""
    return _given


def settled(settings: Settings) -> Given:
    """The configuration that the settings of an app ask for."""
    redact = None if settings.redact is None else tuple(settings.redact)
    return Given(settings.log_level, settings.log_format, settings.log_file, redact)


def configure(wanted: Given) -> None:
    """Send all logs of this process to stdout, and to a file if there is one; this replaces an earlier configuration.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    global _given
    handlers: list[logging.Handler] = [_to_stdout(wanted)]
    if wanted.file is not None:
        handlers.append(_to_file(wanted.file, wanted.format))
    redactor = Redactor(wanted.redact)
    for handler in handlers:
        assert isinstance(handler.formatter, AsJson | ForPeople)
        handler.formatter.redactor = redactor
    logging.basicConfig(level=wanted.level.upper(), handlers=handlers, force=True)
    _given = wanted


def reconfigure(wanted: Given) -> None:
    """`configure` with what an app asks for, unless the app has configured logging itself when it was imported."""
    if wanted != _given and any(isinstance(handler, _Failing) for handler in logging.root.handlers):
        configure(wanted)


def _to_stdout(wanted: Given) -> logging.Handler:
    _occupy()
    out = open(os.devnull, "w") if sys.stdout is None else _own(sys.stdout)  # noqa: SIM115  # it was closed at the start
    if out.isatty() if wanted.format is None else wanted.format == Format.console:
        return _console(out)
    handler = _Stdout(out)
    handler.setFormatter(AsJson())
    return handler


def _occupy() -> None:
    """Open what was closed of stdin, stdout and stderr: else the next socket has the number of one of them, and uvloop, a child
    process and whoever writes to stdout take it for that."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest number that is free: this one


def _own(stream: TextIO) -> TextIO:
    """The same place with a buffer of its own: what cannot be written must not stand in the way of what handlers print."""
    try:
        return open(stream.fileno(), "w", encoding="utf-8", errors="backslashreplace", closefd=False)
    except (OSError, ValueError):  # it is no file, in a test
        return stream


def _to_file(path: str, format: str | None) -> logging.Handler:
    try:
        handler = _File(path)
    except OSError as error:
        raise ConfigurationError(f"log_file: {path!r} cannot be written: {error.strerror}") from None
    handler.setFormatter(ForPeople("%(asctime)s %(levelname)-8s %(message)s") if format == Format.console else AsJson())
    return handler


class _Failing(logging.Handler):
    """Counts lines that could not be written, and tells it on stderr, once until one could: a disk may be full for long."""

    lost = 0

    def handleError(self, record: logging.LogRecord) -> None:
        self.lost += 1
        if self.lost == 1:
            with suppress(Exception):
                print(one_line(f"pgqueue: the log cannot be written: {sys.exc_info()[1]}"), file=sys.stderr, flush=True)

    def handle(self, record: logging.LogRecord) -> bool:
        before, handled = self.lost, False
        try:
            handled = bool(super().handle(record))
        except Exception:  # such as a RecursionError of a handler that has no stack left
            self.handleError(record)
        if before and self.lost == before:
            self.lost = 0
            text = f"{before} lines of this log could not be written"
            super().handle(logging.makeLogRecord({"name": "pgqueue", "levelno": 30, "levelname": "WARNING", "msg": text}))
        return handled


class _Stdout(_Failing, logging.StreamHandler[Any]):
    """JSON on stdout."""


class _File(_Failing, DailyFile):
    """The file."""


def _console(out: TextIO) -> logging.Handler:
    from rich.console import Console
    from rich.logging import RichHandler

    class Terminal(_Failing, RichHandler):
        """For people."""

    class Writer(Console):
        """Rich's ends the process when the reader of a pipe is gone: a worker would go on, and not stop when it is told to."""

        def on_broken_pipe(self) -> None:
            raise  # the error itself, which is told once, see _Failing

    handler = Terminal(
        console=Writer(file=out, width=None if out.isatty() else PIPED_WIDTH),
        show_path=False,
        log_time_format="%H:%M:%S",
    )
    handler.setFormatter(ForPeople("%(message)s"))
    return handler


def close() -> None:
    """Write what is left. A reader of stdout that is gone must not change the exit code."""
    logging.shutdown()
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:  # the interpreter would try it once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
