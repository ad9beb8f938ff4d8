"""Changes of a schedule, as set_schedule takes them."""

from collections.abc import Iterable, Mapping
from typing import Any

from .._checks import invalid
from ..database.calls.enqueue import EnqueueOptions, LimitOptions, TimeOptions, UniqueOptions
from .schedule import OF_ONE_CALL, Scheduled, job_json
from .values import FIELDS, read_fields, to_json

RESETTABLE = tuple(name for name in FIELDS if name not in ("cron", "every"))
# What a call replaces, so that no option of the call before stays.
_JOB = (
    "args",
    *(name for name in EnqueueOptions._fields if name not in OF_ONE_CALL),
    *(f"unique_{name}" for name in UniqueOptions._fields),
    *LimitOptions._fields,
    *(name for name in TimeOptions._fields if name != "expires_at"),
)
NO_JOB = [f'"{name}":null' for name in _JOB]  # the members of `job` that take all options away


def changes_json(name: str, changes: Mapping[str, Any], job: Iterable[str] = (), reset: Iterable[str] = ()) -> str:
    """The changes as JSON text: null resets a field.

    Args:
        name: the name of the schedule.
        changes: fields by name; None does not change a field.
        job: the members of the JSON object `job` that change.
        reset: names of fields that get their default.

    Raises:
        InvalidArgument: a value is invalid.
    """
    fields: dict[str, Any] = {**dict.fromkeys(_resets(reset)), **read_fields(name, changes)}
    members = to_json(fields)
    if job := ",".join(job):
        members.append(f'"job":{{{job}}}')
    return "{" + ",".join(members) + "}"


def job_of(call: Scheduled | None) -> list[str]:
    """The members of `job` that replace task, arguments and all options; none for None.

    Raises:
        InvalidArgument: a schedule cannot make this call.
    """
    # The last of two members with one name counts.
    return [] if call is None else NO_JOB + job_json(call)


def _resets(reset: Any) -> list[str]:
    names = list(reset) if isinstance(reset, Iterable) and not isinstance(reset, str) else [reset]
    for name in names:
        if name not in RESETTABLE:
            raise invalid("reset", name, f"use {', '.join(RESETTABLE)}")
    return names
