"""What goes wrong, as RFC 9457 says it: one table from exceptions and SQLSTATEs to statuses and types."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import psycopg
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from .. import errors
from .._text import shortened
from ..database.translate import is_transient
from . import answers

MEDIA_TYPE = "application/problem+json"
BASE = "/api/v1/problems/"  # each type is a page of the API itself, and a section of docs/problems.md
LONGEST = 2000  # characters of a detail
_NAMED = re.compile(r"(?P<field>[\w.\[\] ]{1,100}): (?P<value>.*) is not valid; (?P<remedy>.*)", re.S)


class Kind(NamedTuple):
    """A kind of problem.

    Attributes:
        status: the HTTP status.
        title: what it is, in one line.
        remedy: what to do.
    """

    status: int
    title: str
    remedy: str


KINDS: Mapping[str, Kind] = {
    "invalid": Kind(422, "A value is not valid", "Change the field as `detail` says; nothing was done."),
    "not-json": Kind(422, "The body is no valid JSON", "Send one JSON object, without a name twice, and no NaN."),
    "unsupported-media-type": Kind(415, "The body must be JSON", "Send the header Content-Type: application/json."),
    "too-large": Kind(413, "The body is too large", "Send at most 1 MiB; send many jobs in several requests."),
    "unauthorized": Kind(
        401, "No valid API key", "Send the header Authorization: Bearer pgq_…; `pgqueue keys create` makes one."
    ),
    "forbidden": Kind(403, "The key may not do this", "Use a key with the role, or for the queue, that `detail` names."),
    "not-found": Kind(404, "There is no such thing", "Check the id or the name; the history keeps jobs for some days only."),
    "method-not-allowed": Kind(405, "This path does not take this method", "Use a method of the header Allow."),
    "wrong-state": Kind(409, "The state does not allow this", "Look at it again; `detail` says what its state allows."),
    "lease-lost": Kind(
        409, "The job is no longer yours", "Drop the job: it runs elsewhere, or is over. If the worker is lost, register again."
    ),
    "queue-full": Kind(409, "The queue is full", "Try again later; nothing was enqueued."),
    "key-reused": Kind(422, "The Idempotency-Key was used for another request", "Use a new key for each new request."),
    "still-running": Kind(409, "The first request with this Idempotency-Key still runs", "Try again in a second."),
    "too-many-requests": Kind(429, "Too many requests", "Wait for the seconds of the header Retry-After."),
    "too-many-streams": Kind(429, "Too many streams are open", "Close some, or use another process."),
    "locked": Kind(503, "Another transaction holds what this request needs", "Try again after the seconds of Retry-After."),
    "database-unavailable": Kind(503, "The database does not answer", "Try again after the seconds of Retry-After."),
    "not-migrated": Kind(503, "The schema is not there, or has another version", "Run `pgqueue migrate`."),
    "deadline": Kind(504, "The database did not answer in time", "Look whether it was done before you try again."),
    "internal": Kind(500, "An unexpected error", "The log of the server has the error under the id of the request."),
}


class PgQueueProblem(BaseModel):
    """A refusal, as RFC 9457 says it."""

    type: str = Field(description="a page that explains it")
    title: str
    status: int
    detail: str = Field(description="what is wrong: the field, the value and the remedy")
    remedy: str
    field: str | None = None
    value: Any = None
    errors: list[dict[str, Any]] | None = Field(None, description="each fault, if the request has several")
    instance: str | None = None
    request_id: str | None = None


class Problem(Exception):
    """A refusal.

    Args:
        kind: a name in KINDS.
        detail: what is wrong, in one sentence.
        headers: of the answer.
        members: further members of the document, such as field, value and remedy.
    """

    def __init__(self, kind: str, detail: str, headers: Mapping[str, str] | None = None, **members: Any) -> None:
        super().__init__(detail)
        self.kind, self.detail, self.headers, self.members = kind, detail, dict(headers or {}), members


def documented(statuses: Iterable[int]) -> dict[int | str, dict[str, Any]]:
    """What the document says about the refusals of an endpoint, by their statuses."""
    schema = {"$ref": f"#/components/schemas/{PgQueueProblem.__name__}"}
    titles = {status: " / ".join(kind.title for kind in KINDS.values() if kind.status == status) for status in statuses}
    return {status: {"description": titles[status], "content": {MEDIA_TYPE: {"schema": schema}}} for status in statuses}


def invalid(field: str, value: Any, remedy: str) -> Problem:
    """The refusal of a value."""
    return Problem(
        "invalid", f"{field}: {shortened(value)} is not valid; {remedy}", field=field, value=shortened(value), remedy=remedy
    )


def answer(problem: Problem, request_id: str | None, instance: str | None = None) -> Response:
    """A problem as a response."""
    kind = KINDS[problem.kind]
    document = {
        "type": BASE + problem.kind,
        "title": kind.title,
        "status": kind.status,
        "detail": problem.detail[:LONGEST],
        "remedy": kind.remedy,
        **problem.members,
        "instance": instance,
        "request_id": request_id,
    }
    return answers.json(
        {name: value for name, value in document.items() if value is not None}, kind.status, problem.headers, MEDIA_TYPE
    )


def of(error: Exception) -> Problem | None:
    """The problem that an exception is; None if it is a mistake of ours."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        return _of_request(error.errors())
    if isinstance(error, HTTPException):
        return _of_http(error)
    if isinstance(error, errors.NoConnection):
        return _of_reach(error)
    for kind, types in _TYPES.items():
        if isinstance(error, types):
            return Problem(kind, str(error), _retry_after(kind), **_parts(str(error)))
    if isinstance(error, psycopg.Error):
        return _of_database(error)
    return None


_TYPES: Mapping[str, tuple[type[Exception], ...]] = {
    "queue-full": (errors.QueueFull,),
    "lease-lost": (errors.WorkerLost, errors.LeaseLost),
    "not-found": (errors.JobNotFound, errors.ScheduleNotFound, errors.PoolNotFound, errors.UnknownTask, errors.UnknownNode),
    "wrong-state": (errors.WrongState,),
    "not-migrated": (errors.NotMigrated, errors.DatabaseNotConfigured),
    "invalid": (errors.InvalidArgument, errors.ConfigurationError),
}
_RETRY_AFTER = {"database-unavailable": "1", "locked": "1", "queue-full": "5", "deadline": "1"}


def _retry_after(kind: str) -> dict[str, str]:
    return {"Retry-After": _RETRY_AFTER[kind]} if kind in _RETRY_AFTER else {}


def _parts(message: str) -> dict[str, str]:
    """The field, the value and the remedy in a message of pgqueue, where it has them."""
    found = _NAMED.fullmatch(message)
    return {} if found is None else {name: found[name][:500] for name in ("field", "value", "remedy")}


def _of_database(error: psycopg.Error) -> Problem:
    if isinstance(error, psycopg.errors.LockNotAvailable):
        return Problem("locked", "another transaction holds a lock for too long", _retry_after("locked"))
    if isinstance(error, psycopg.DataError):
        message = error.diag.message_primary or "a value is not valid"
        return Problem("invalid", message)
    if type(error).__name__ == "DeadlinePassed" or isinstance(error, psycopg.errors.QueryCanceled):
        return Problem(
            "deadline", "the database did not answer in time; it is not known whether this was done", _retry_after("deadline")
        )
    if isinstance(error, psycopg.errors.UndefinedColumn):  # all statements here are ours, so its tables are of another version
        detail = f"the tables are not those of this version ({error.diag.message_primary}); run `pgqueue migrate`"
        return Problem("not-migrated", detail)
    if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
        detail = "the database takes no changes: it is read-only, or a replica; nothing was changed"
        return Problem("database-unavailable", detail, _retry_after("database-unavailable"))
    if is_transient(error):
        return Problem(
            "database-unavailable", "the database does not answer, or ends the call", _retry_after("database-unavailable")
        )
    return Problem("internal", "the database refused a call of the server; its log says why")


def _of_http(error: HTTPException) -> Problem:
    if isinstance(error.__cause__, Problem):  # FastAPI wraps what is raised while it reads a body
        return error.__cause__
    kind = {404: "not-found", 405: "method-not-allowed", 413: "too-large", 400: "not-json"}.get(error.status_code, "internal")
    return Problem(kind, str(error.detail), error.headers)


def _of_reach(error: errors.NoConnection) -> Problem:
    """Without the host, the role and the port, which the log has."""
    detail = str(error) if error.is_busy else "the database cannot be reached; nothing was sent to it"
    return Problem("database-unavailable", detail, _retry_after("database-unavailable"))


def _of_request(faults: Iterable[Mapping[str, Any]]) -> Problem:
    """One problem for all faults; the members are about the first, and `errors` has each."""
    found = [_fault(fault) for fault in faults]
    first = found[0]
    kind = "not-json" if first.pop("is_json") is False else "invalid"
    for fault in found[1:]:
        fault.pop("is_json")
    detail = "; ".join(f"{fault['field']}: {fault['value']} is not valid; {fault['remedy']}" for fault in found)
    return Problem(kind, detail, **first, errors=found)


def _fault(fault: Mapping[str, Any]) -> dict[str, Any]:
    where = [str(part) for part in fault["loc"]]
    field = ".".join(where[1:]) or where[0]
    message = str(fault["msg"]).removeprefix("Value error, ")
    value = "nothing" if fault["type"] == "missing" else shortened(fault.get("input"))
    return {"field": field, "value": value, "remedy": message, "is_json": fault["type"] != "json_invalid"}
