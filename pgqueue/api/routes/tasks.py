"""Tasks: their names, their arguments and their options."""

from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ...codec.schema import summary_of
from ...database.calls import workers as calls
from ...options import Options
from ...redact import Redactor
from ...registry import CHUNK, Registered
from ...retry import Retry
from .. import answers
from ..bodies.tasks import MOST_TASKS, TaskDetail, TasksOut
from ..endpoint import Endpoints
from ..here import Here, at

endpoints = Endpoints("tasks")


@endpoints.get("/tasks", may_lag=True, is_bound=True, model=TasksOut)
async def tasks(request: Request) -> Response:
    """The tasks that this server has, or that active workers say they have. Others can be enqueued, too.

    A key for some queues is told of those whose own queue is one of them, and of those of the workers that serve one.
    """
    here = at(request)
    own = {name: task for name, task in here.service.app.tasks.items() if _is_seen(here, task)}
    queues = here.caller.queues
    theirs: list[str] = await here.run(calls.task_names(MOST_TASKS, None if queues is None else sorted(queues)))
    names = sorted({*own, *theirs} - {CHUNK})
    return here.answer({"items": [_task(name, own.get(name)) for name in names]})


@endpoints.get("/tasks/{name:path}", is_bound=True, model=TaskDetail)
async def task(request: Request, name: str) -> Response:
    """One task with the JSON schema of its arguments; of a task that the server does not have, its name only."""
    here = at(request)
    known = here.service.app.tasks.get(name)
    if known is not None and not _is_seen(here, known):
        known = None
    found: dict[str, Any] = here.shown({**_task(name, known), "options": None if known is None else _options(known.options)})
    schema = None if known is None else known.parameters.json_schema()
    # Not as other answers: under the name of an argument such as `password` stands its type, which is no secret.
    return answers.json({**found, "arguments": _without_secrets(schema, here.service.redactor)})


def _is_seen(here: Here, task: Registered[Any]) -> bool:
    """Whether it belongs to a queue of the caller, as far as its own options say."""
    return here.caller.queues is None or task.options.queue in here.caller.queues


def _task(name: str, task: Registered[Any] | None) -> dict[str, Any]:
    if task is None:
        return {"name": name, "is_known": False, "summary": None, "queue": None}
    return {"name": name, "is_known": True, "summary": summary_of(task.function), "queue": task.options.queue}


def _options(options: Options) -> dict[str, Any]:
    return {
        "queue": options.queue,
        "priority": options.priority,
        "retries": (options.retry or Retry()).retries,
        "unique": options.unique and options.unique.mode,
        "timeout": _seconds(options.timeout),
        "total_timeout": _seconds(options.total_timeout),
        "expires_after": _seconds(options.expires),
        "result_ttl": _seconds(options.result_ttl),
        "limits": list(options.keys),
        "fair": options.fair,
    }


def _seconds(value: Any) -> float | None:
    return value.total_seconds() if isinstance(value, timedelta) and value else None


def _without_secrets(schema: Any, redactor: Redactor) -> Any:
    """A schema without the defaults and examples of what is named as a secret."""
    if isinstance(schema, list):
        return [_without_secrets(one, redactor) for one in schema]
    if not isinstance(schema, dict):
        return redactor.text(schema) if isinstance(schema, str) else schema
    found = {name: redactor.value(one) if name == "default" else _without_secrets(one, redactor) for name, one in schema.items()}
    for name, one in (found.get("properties") or {}).items() if isinstance(found.get("properties"), dict) else ():
        if isinstance(one, dict) and redactor.is_secret(name):
            one.pop("default", None)
            one.pop("examples", None)
    return found
