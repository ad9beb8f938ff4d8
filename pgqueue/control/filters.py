"""Filters: which jobs a list or a bulk verb is about, as keyword arguments and as the JSON that SQL takes."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypedDict
from uuid import UUID

from .._checks import check_duration, interval, invalid, read_id, read_time
from .._text import shortened, storable
from ..codec.open import dump_open
from ..errors import InvalidArgument

Texts = str | Iterable[str]  # one, or one of several
When = datetime | timedelta  # with a time zone; or a span from now, such as timedelta(hours=-2)


class FilterFields(TypedDict, total=False):
    """The fields of a filter. A job must match all that are given; None is as if the field were not given.

    Attributes:
        ids: job ids.
        state: blocked, scheduled, ready, running, succeeded, failed or cancelled.
        queue: names of queues.
        task: names of tasks; * stands for any text, as in "mail.*".
        reason: why it ended: error, timeout, user_requested, …
        error_type: the type of its last error, as `pgqueue job` shows it.
        fingerprint: the fingerprint of a dead letter.
        args, meta: an object that its arguments, or its meta, contain.
        limit: the key of a limit, such as "tenant:42" or "queue:mail".
        workflow: the id of its workflow.
        schedule: the name of its schedule.
        worker: the id of the worker that runs it, or ran it last.
        created_after, run_at_after, finished_after: from then on.
        created_before, run_at_before, finished_before: before then.
        q: fields as one text: "queue:mail state:failed since:2h", see docs/filters.md.
    """

    ids: Iterable[int] | None
    state: Texts | None
    queue: Texts | None
    task: Texts | None
    reason: Texts | None
    error_type: Texts | None
    fingerprint: Texts | None
    args: Mapping[str, Any] | None
    meta: Mapping[str, Any] | None
    limit: str | None
    workflow: int | None
    schedule: str | None
    worker: UUID | str | None
    created_after: When | None
    created_before: When | None
    run_at_after: When | None
    run_at_before: When | None
    finished_after: When | None
    finished_before: When | None
    q: str | None


def filter_json(fields: Mapping[str, Any]) -> str:
    """A filter as JSON text. SQL checks its fields, see `check_filter`; here it is only made a text that SQL can read.

    Raises:
        InvalidArgument: a value cannot be sent; the message names the field.
    """
    parts = (f"{_dumped(name, name)}:{_dumped(name, _plain(name, value))}" for name, value in fields.items() if value is not None)
    return "{" + ",".join(parts) + "}"


def _plain(field: str, value: Any) -> Any:
    """The value in types of JSON."""
    if field == "ids":
        return _ids(value)
    if field.endswith(("_after", "_before")):
        return _time(field, value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, str):
        return storable(field, value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Iterable):
        return [storable(field, one) if isinstance(one, str) else one for one in value]
    return value


def _ids(value: Any) -> list[int]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise invalid("ids", value, "use a list of ids")
    return [read_id("ids", id) for id in value]


def _time(field: str, value: Any) -> Any:
    """A time as text; a span as text that SQL adds to its own clock."""
    if isinstance(value, str):  # from the command line
        return storable(field, value)
    if isinstance(value, timedelta):
        check_duration(field, value)
        return interval(value)
    if not isinstance(value, datetime):
        raise invalid(field, value, "use a datetime with a time zone, or a timedelta from now: timedelta(hours=-2)")
    return read_time(field, value).isoformat()


def _dumped(field: str, value: Any) -> str:
    try:
        return dump_open(value)
    except ValueError as error:
        raise InvalidArgument(f"{field}: {shortened(value)} is not valid; use JSON values: {error}") from None
