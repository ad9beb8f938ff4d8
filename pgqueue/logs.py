"""Structured logs on stderr: JSON for machines, Rich for terminals; both keep the fields of `extra=`."""

import logging
import sys
from enum import StrEnum
from typing import Any

from ._text import harmless
from ._trace import logged
from .errors import ConfigurationError

FILE_WIDTH = 200  # columns if stderr is not a terminal
LEVELS = ("debug", "info", "warning", "error", "critical")
given: tuple["Format", str] | None = None  # the configuration of this process
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


class Format(StrEnum):
    """How logs are written."""

    json = "json"
    console = "console"


class _Bounded(logging.Formatter):
    """Cuts tracebacks in logs, because an exception of a handler may have any size."""

    def formatException(self, ei: Any) -> str:
        return logged(ei[1]) if ei[1] is not None else ""


def extra_of(record: logging.LogRecord) -> dict[str, Any]:
    """The fields that the caller has added by `extra=`."""
    return {name: value for name, value in vars(record).items() if name not in _OWN}


class WithExtra(_Bounded):
    """The message, followed by its extra fields as name=value."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        extra = " ".join(f"{name}={value}" for name, value in extra_of(record).items())
        return harmless(f"{text}  {extra}" if extra else text)


def configure(format: Format | None = None, level: str = "info") -> None:
    """Send all logs of this process to stderr; this replaces an earlier configuration.

    Args:
        format: json (one object per line) or console; None = console if stderr is a terminal, else JSON.
        level: the lowest level that is shown.

    Raises:
        ConfigurationError: there is no such level.
    """
    global given
    if level.lower() not in LEVELS:
        raise ConfigurationError(f"log_level: {level!r} is not valid; use {', '.join(LEVELS)}")
    if format is None:
        format = Format.console if sys.stderr.isatty() else Format.json
    given = format, level
    handler = _console() if format is Format.console else _json()
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def _json() -> logging.Handler:
    from pythonjsonlogger.json import JsonFormatter

    class Bounded(_Bounded, JsonFormatter):
        """The JSON format of the optional package, with cut tracebacks."""

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        Bounded(
            ["levelname", "name", "message", "process"],
            rename_fields={"levelname": "level", "name": "logger"},
            timestamp=True,
            json_ensure_ascii=False,
        )
    )
    return handler


def _console() -> logging.Handler:
    from rich.console import Console
    from rich.logging import RichHandler

    handler = RichHandler(
        console=Console(stderr=True, width=None if sys.stderr.isatty() else FILE_WIDTH),
        show_path=False,
        log_time_format="%H:%M:%S",
    )
    handler.setFormatter(WithExtra("%(message)s"))
    return handler
