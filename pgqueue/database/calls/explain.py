"""Why a job is where it is; see sql/functions/explain."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..._json import readable
from ...errors import JobNotFound
from ..call import ALWAYS, Call, Rows


@dataclass(frozen=True, slots=True)
class Cause:
    """A reason why a job does not run, who runs it, or how it has ended.

    Attributes:
        cause: a word for programs, such as "paused"; the guide "Why a job does not run" lists them.
        says: the same for people, in one sentence; times are UTC.
        until: when it ends, or is thought to; None if that is not known. Of a job that is over: until when it is kept.
        details: its figures; times are ISO texts in UTC, ages and durations seconds.
    """

    cause: str
    says: str
    until: datetime | None
    details: dict[str, Any]


def explain(job_id: int) -> Call[list[Cause]]:
    """Why a job is where it is, the decisive cause first."""
    return Call(
        "select cause, says, until, details::text from {schema}.explain(%s::bigint)", (job_id,), _causes, repeat_within=ALWAYS
    )


def gone(job_id: int, causes: list[Cause]) -> JobNotFound:
    """The error for a job that is kept nowhere, with what is known of it still: that it was discarded, by whom and why."""
    says = causes[0].says if causes else "the history no longer keeps it"
    return JobNotFound(f"job {job_id} is not kept any more: {says}")


def _causes(rows: Rows) -> list[Cause]:
    return [Cause(cause, says, until, readable(details)) for cause, says, until, details in rows]
