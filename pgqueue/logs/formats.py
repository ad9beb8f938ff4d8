"""How a line of the log is written: as JSON or for people, bounded, without secrets, and with the job that it is about.

A formatter works on a copy of the record: other handlers of the application get it as it was.
"""

import json
import logging
from math import isfinite
from typing import Any

from pythonjsonlogger.json import JsonEncoder, JsonFormatter

from .._text import harmless_json, in_lines, one_line, printable, shortened
from .._trace import logged, message_of
from ..redact import Redactor
from . import current

MESSAGE = 8000  # characters kept of a message, and of each text among its fields; escapes may double them
STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


def extra_of(record: logging.LogRecord) -> dict[str, Any]:
    """The fields that the caller has added by `extra=`."""
    return {name: value for name, value in vars(record).items() if name not in STANDARD}


class _Bounded(logging.Formatter):
    """Formats any record, whatever its values do, because a line of the log must not fail a handler or the worker.

    Attributes:
        redactor: replaces secrets.
    """

    redactor = Redactor()

    def format(self, record: logging.LogRecord) -> str:
        try:
            return super().format(self._prepared(record))
        except BaseException as error:  # raised by a value: KeyboardInterrupt too
            return super().format(_in_place_of(record, error, self.redactor))

    def _prepared(self, record: logging.LogRecord) -> logging.LogRecord:
        """A copy with the facts of the worker and the job, and without secrets."""
        extra = {name: self._cleaned(name, value) for name, value in extra_of(record).items()}
        is_json = isinstance(record.msg, dict)
        message = self.redactor.value(record.msg, _leaf) if is_json else self.redactor.text(_cut(self._message(record)))
        said = {"msg": message, "args": None, "exc_text": None}
        copy = logging.LogRecord.__new__(logging.LogRecord)  # makeLogRecord asks the operating system for what is known
        copy.__dict__ = {**current.fields(), **vars(record), **extra, **said}
        if record.stack_info:
            copy.stack_info = self.redactor.text(_cut(record.stack_info))
        return copy

    def _message(self, record: logging.LogRecord) -> str:
        """The message; its arguments may have names: `%(token)s`."""
        if isinstance(record.args, dict):
            named: dict[str, Any] = self.redactor.value(record.args)
            return str(record.msg) % named
        return record.getMessage()

    def _cleaned(self, name: str, value: Any) -> Any:
        return self.redactor.value({name: value}, _leaf)[name]

    def formatException(self, ei: Any) -> str:
        return self.redactor.text(logged(ei[1])) if ei[1] is not None else ""


def _cut(text: str) -> str:
    return printable(text) if len(text) <= MESSAGE else f"{printable(text[:MESSAGE])} … ({len(text):,} characters)"


def _leaf(value: Any) -> Any:
    """A text of at most so many characters; a number that JSON does not have as its text; other objects as they are."""
    if isinstance(value, str):
        return _cut(value)
    return str(value) if isinstance(value, float) and not isfinite(value) else value


def _in_place_of(record: logging.LogRecord, error: BaseException, redactor: Redactor) -> logging.LogRecord:
    """A record that can be formatted, and says which one could not."""
    try:
        said = shortened(record.msg)
    except BaseException:  # the message itself is what raises
        said = f"a {type(record.msg).__name__}"
    text = f"{record.name}: {said} cannot be formatted: {type(error).__name__}({message_of(error)[:MESSAGE]})"
    plain = {name: getattr(record, name) for name in ("name", "levelno", "levelname", "created", "msecs", "process")}
    return logging.makeLogRecord({**current.fields(), **plain, "msg": redactor.text(text)})


class ForPeople(_Bounded):
    """The message, followed by its fields as name=value. Of several lines, all but the first begin with a mark."""

    def format(self, record: logging.LogRecord) -> str:
        return in_lines(printable(self.redactor.text(super().format(record))))  # once more, for fields of other types

    def formatMessage(self, record: logging.LogRecord) -> str:
        fields = " ".join(
            f"{name}={one_line(_cut(str(value)))}" for name, value in extra_of(record).items() if name != "worker_id"
        )
        return f"{super().formatMessage(record)}  {fields}" if fields else super().formatMessage(record)


class AsJson(_Bounded, JsonFormatter):
    """One JSON object in each line."""

    def __init__(self) -> None:
        super().__init__(
            ["levelname", "name", "message", "process"],
            rename_fields={"levelname": "level", "name": "logger"},
            timestamp=True,
            json_ensure_ascii=False,
        )

    def jsonify_log_record(self, log_data: Any) -> str:
        return harmless_json(printable(json.dumps(log_data, default=self._plain, ensure_ascii=False)))

    def _plain(self, value: Any) -> Any:
        return self.redactor.value(_encoder.default(value), _leaf)


_encoder = JsonEncoder()
