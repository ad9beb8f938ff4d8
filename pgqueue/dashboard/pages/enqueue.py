"""A form that enqueues a job: fields from the schema of its task, or JSON."""

import asyncio
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from uuid import uuid4

from starlette.responses import Response

from ...api import exact
from ...redact import MARK
from ..ask import Refused
from ..jobs import arguments, options
from ..jobs.arguments import Field
from ..jobs.numbers import number
from ..jobs.options import Option
from ..page import Form, Pages, Visit
from ..render import json_text

pages = Pages()
MOST = 65_536  # bytes of arguments that a form takes over from a job
PATIENCE = 0.1, 0.3, 1, 2  # seconds between looks whether the same form, sent before, is through
Task = dict[str, Any]


@dataclass(slots=True)
class Sheet:
    """A form as it is shown.

    Attributes:
        task: as `GET /tasks/{name}` answers it.
        fields: of the arguments; None = they are given as JSON.
        text: the arguments as JSON.
        options: of the enqueue.
        problem: what the API has refused, or why JSON is needed.
        error: what is wrong with the JSON.
    """

    task: Task
    fields: list[Field] | None
    text: str = "{}"
    options: list[Option] = field(default_factory=options.all_options)
    problem: dict[str, Any] | None = None
    error: str | None = None

    @property
    def has_options(self) -> bool:
        """Whether an option is given, or is wrong."""
        return any(one.typed or one.error for one in self.options)


@pages.page("/enqueue", of="POST /jobs")
async def enqueue(at: Visit) -> Response:
    """The form of a task, that of a job that is to run again with changes, or the tasks to choose from."""
    if "from" in at.query:
        return await _show(at, await _again(at, at.query["from"]))
    name = at.query.get("task", "").strip()
    if not name:
        return await at.show("enqueue.html", "Enqueue", tasks=at.panel("/tasks"), sheet=None)
    return await _show(at, _empty(at, await _task(at, name)))


@pages.act("/enqueue", of="POST /jobs")
async def add(at: Visit, form: Form) -> Response:
    """Add the job; or show the form again, with what was typed and what is wrong."""
    sheet = _empty(at, await _task(at, form.get("task", "").strip() or at.query.get("task", "")))
    is_well, args = _read(sheet, form)
    options.keep(sheet.options, form)
    body, has_good_options = options.read(sheet.options)
    if "other" in form:
        return await _show(at, _other_way(at, sheet, args) if is_well else sheet)
    if not (is_well and has_good_options):
        return await _show(at, sheet, 422)
    try:
        answer = await _enqueue(at, form.get("once", ""), {"task": sheet.task["name"], "args": args, **body})
    except Refused as refused:
        _blame(sheet, refused.problem)
        return await _show(at, sheet, refused.status)
    return at.go(f"jobs/{answer['id']}", said=_said(answer))


def _said(answer: dict[str, Any]) -> str:
    if answer.get("repeated"):
        return "The form was sent before: this is its job, and no other one was added."
    return "It is there already: it has the same key as what was sent." if answer["duplicate"] else "The job was added."


async def _enqueue(at: Visit, shown: str, body: dict[str, Any]) -> Any:
    """Add a job: once for each time that a form was shown, however often it is sent. With another content it is another job."""
    if not shown:
        return await at.tell("POST", "/jobs", body)
    once = sha256(shown.encode() + b"\n" + exact.write(body)).hexdigest()
    for seconds in PATIENCE:
        try:
            return await at.tell("POST", "/jobs", body, once=once)
        except Refused as refused:
            if not str(refused.problem.get("type", "")).endswith("still-running"):
                raise
        await asyncio.sleep(seconds)
    return await at.tell("POST", "/jobs", body, once=once)


async def _show(at: Visit, sheet: Sheet, status: int = 200) -> Response:
    title = f"Enqueue {sheet.task['name']}"
    return await at.show("enqueue.html", title, status, sheet=sheet, tasks=None, once=uuid4().hex)


async def _task(at: Visit, name: str) -> Task:
    if not name:
        raise Refused(422, {"title": "No task", "detail": "the form names no task", "remedy": "Choose one, or write its name."})
    found: Task = await at.ask(f"/tasks/{name}")
    return found


def _empty(at: Visit, task: Task) -> Sheet:
    return Sheet(task, _fields(at, task))


def _fields(at: Visit, task: Task) -> list[Field] | None:
    schema = task["arguments"]
    return None if schema is None else arguments.fields_of(schema, at.desk.service.redactor.is_secret)


def _read(sheet: Sheet, form: Form) -> tuple[bool, dict[str, Any]]:
    """The arguments that were typed, and whether they could be read."""
    if "args" not in form and sheet.fields is not None:
        arguments.keep(sheet.fields, form)
        args, is_well = arguments.read(sheet.fields)
        return is_well, args
    sheet.fields, sheet.text = None, form.get("args", "{}")
    try:
        return True, arguments.read_json(sheet.text)
    except ValueError as error:
        sheet.error = str(error)
        return False, {}


def _other_way(at: Visit, sheet: Sheet, args: dict[str, Any]) -> Sheet:
    """From fields to JSON, or back; to JSON where a field cannot hold what was given."""
    fields = None if sheet.fields is not None else _fields(at, sheet.task)
    if fields is not None and not arguments.fill(fields, args):
        fields, sheet.error = None, "the fields of this form cannot hold these arguments; they stay JSON"
    sheet.fields, sheet.text = fields, json_text(args)
    return sheet


def _blame(sheet: Sheet, problem: dict[str, Any]) -> None:
    sheet.problem = problem
    options.blame(sheet.options, problem)
    if sheet.fields is not None:
        arguments.blame(sheet.fields, str(problem.get("detail", "")))


async def _again(at: Visit, job_id: str) -> Sheet:
    """The form with what a job was given. Raises Refused if that is not known in full."""
    if not (job_id.isascii() and job_id.isdecimal()):
        raise Refused(422, {"title": "No such job", "detail": "from: it is no id of a job", "remedy": "Use a number."})
    job = await at.ask(f"/jobs/{job_id}", most=MOST)
    _check_known(at, job)
    sheet = _empty(at, await _task(at, job["task"]))
    if sheet.fields is None or not arguments.fill(sheet.fields, job["args"]):
        sheet.fields, sheet.text = None, json_text(job["args"])
    options.fill(sheet.options, _changed_options(job, sheet.task["options"]))
    return sheet


def _check_known(at: Visit, job: dict[str, Any]) -> None:
    why = None
    if not at.caller.may_read_arguments:
        why = "you may not read the arguments of jobs"
    elif "args" in (job["sizes"] or {}):
        why = f"its arguments have more than {MOST:,} bytes"
    elif not isinstance(job["args"], dict) or _has_secret(job["args"]):
        why = "some of its arguments are secrets, which no page shows"
    if why is not None:
        detail = f"job {job['id']} cannot be enqueued again with changes: {why}"
        remedy = "Run it again as it is, on its page, or enqueue the task with new arguments."
        raise Refused(409, {"title": "Its arguments are not known here", "detail": detail, "remedy": remedy})


def _has_secret(value: Any) -> bool:
    """Whether something was left out of it, see `Redactor`."""
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, str) and MARK in one:
            return True
        if isinstance(one, dict):
            todo += [*one.keys(), *one.values()]
        elif isinstance(one, list):
            todo += one
    return False


def _changed_options(job: dict[str, Any], defaults: dict[str, Any] | None) -> dict[str, Any]:
    """The options of a job that are not those of its task; of a task that is not known, those that are known."""
    own = defaults or {"queue": "default", "priority": 0, "timeout": None}
    found = {name: job[name] for name in ("queue", "priority") if job[name] != own[name]}
    timeout = number((job["terms"] or {}).get("timeout"))
    if timeout is not None and timeout != own["timeout"]:
        found["timeout"] = timeout
    if defaults is None and job["limits"]:
        found["limits"] = ", ".join(key for key in job["limits"] if not key.startswith("task:"))
    is_shown = job["meta"] is not None and not _has_secret(job["meta"])
    return found | ({"meta": job["meta"]} if is_shown else {})
