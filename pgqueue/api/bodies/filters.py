"""The filter of jobs as query parameters and as a part of a body; SQL checks it, see check_filter."""

from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field

from ..._json import dumps
from .. import exact
from ..callers.caller import Caller
from ..problems import invalid
from ..written import written
from .fields import Body

WHEN = "a time with a zone (2026-11-30T12:00:00Z), or a span from now (-2h)"
Texts = Annotated[list[str], BeforeValidator(lambda given: [given] if isinstance(given, str) else given)]


class JobFilter(Body):
    """Which jobs are meant; a job must match all fields that are given."""

    model_config = ConfigDict(extra="forbid")

    q: Annotated[str | None, Field(description="fields as one text: queue:mail state:failed since:2h", max_length=4000)] = None
    ids: Annotated[list[str] | None, Field(description="ids of jobs", max_length=10_000)] = None
    state: Annotated[Texts | None, Field(description="blocked, scheduled, ready, running, succeeded, failed, cancelled")] = None
    queue: Annotated[Texts | None, Field(description="names of queues")] = None
    task: Annotated[Texts | None, Field(description="names of tasks; * stands for any text: mail.*")] = None
    reason: Annotated[Texts | None, Field(description="why it ended: error, timeout, user_requested, …")] = None
    error_type: Annotated[Texts | None, Field(description="the type of its last error")] = None
    fingerprint: Annotated[Texts | None, Field(description="the fingerprint of a dead letter")] = None
    args: Annotated[Any, Field(description="an object that its arguments contain; in a query as JSON text")] = None
    meta: Annotated[Any, Field(description="an object that its meta contains; in a query as JSON text")] = None
    limit_key: Annotated[str | None, Field(description="the key of a limit, such as tenant:42")] = None
    workflow: Annotated[str | None, Field(description="the id of its workflow")] = None
    schedule: Annotated[str | None, Field(description="the name of its schedule")] = None
    worker: Annotated[str | None, Field(description="the id of the worker that runs it, or ran it last")] = None
    created_after: Annotated[str | None, Field(description=WHEN)] = None
    created_before: Annotated[str | None, Field(description=WHEN)] = None
    run_at_after: Annotated[str | None, Field(description=WHEN)] = None
    run_at_before: Annotated[str | None, Field(description=WHEN)] = None
    finished_after: Annotated[str | None, Field(description=WHEN)] = None
    finished_before: Annotated[str | None, Field(description=WHEN)] = None

    def as_sql(self, caller: Caller) -> str:
        """The filter as SQL takes it, for jobs that the caller may see.

        Raises:
            Problem: a value cannot be read or stored, or it names queues of others.
        """
        given = self.model_dump(exclude_none=True, include=set(JobFilter.model_fields))
        if "limit_key" in given:  # `limit` is how long a page is
            given["limit"] = given.pop("limit_key")
        for name in ("args", "meta"):
            if isinstance(given.get(name), str):
                given[name] = _read(name, given[name])
        if "ids" in given:
            given["ids"] = [id_of("ids", id) for id in given["ids"]]
        if "workflow" in given:
            given["workflow"] = id_of("workflow", given["workflow"])
        return f"{{{','.join([f'{dumps(name)}:{written(name, value)}' for name, value in caller.narrow(given).items()])}}}"


def id_of(field: str, text: str) -> int:
    """An id as a number.

    Raises:
        Problem: it is none.
    """
    if text.isascii() and text.isdecimal() and len(text) < 20 and int(text) < 2**63:
        return int(text)
    raise invalid(field, text, "use an id, which is a whole number")


def _read(field: str, text: str) -> Any:
    try:
        return exact.read(text.encode())
    except (ValueError, RecursionError):
        raise invalid(field, text, 'use JSON, for example {"customer": 5}') from None
