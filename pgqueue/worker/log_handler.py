"""The standard logging of handlers, kept with their jobs: for tasks that say `log=True`."""

import logging
from contextvars import ContextVar
from typing import Any

from .._text import shortened
from .._trace import message_of, trace
from ..logs import extra_of
from ..run import Run
from ..watching.said import LEVELS, TEXT, Said, say

OWN = "pgqueue"  # loggers whose records are about the worker, and not what a handler says
_current: ContextVar[tuple[Run, int] | None] = ContextVar("pgqueue_logged_run", default=None)
_NUMBERS = {name: logging.getLevelNamesMapping()[name.upper()] for name in LEVELS}


def keep(run: Run, level: int) -> None:
    """Keep what this context logs from now on, of this level and above, in the log of the job."""
    _current.set((run, level))
    _handler.attach()


def forget() -> None:
    """Undo `keep`."""
    _current.set(None)


class _JobLogHandler(logging.Handler):
    """Finds the run by a context variable, which threads and tasks of a handler inherit. It is attached once per process."""

    def attach(self) -> None:
        if self not in logging.root.handlers:  # logs.configure may have replaced all handlers
            logging.root.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        # Without a configuration the last resort would have written this; it does not beside a handler like this one.
        last = logging.lastResort
        if last is not None and logging.root.handlers == [self] and record.levelno >= last.level:
            last.handle(record)
        current = _current.get()
        if current is None or record.levelno < current[1] or record.name.partition(".")[0] == OWN:
            return
        current[0]._keep_line(_said(record))


def _said(record: logging.LogRecord) -> Said:
    try:
        message = record.getMessage()
    except Exception as error:  # the arguments do not fit the format: logging prints that elsewhere
        message = f"{shortened(record.msg)} cannot be formatted: {message_of(error)}"
    fields: dict[str, Any] = {"logger": record.name, **extra_of(record)}
    if record.exc_info and record.exc_info[1] is not None:
        fields["traceback"] = trace(record.exc_info[1], TEXT)
    return say(message, _name_of(record.levelno), fields)


def _name_of(number: int) -> str:
    """The name of this level, or of the next lower one."""
    return max((name for name in LEVELS if _NUMBERS[name] <= number), key=_NUMBERS.__getitem__, default="debug")


_handler = _JobLogHandler()
