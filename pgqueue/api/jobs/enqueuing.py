"""From the body of a request to the call that enqueues its jobs."""

from contextlib import ExitStack
from dataclasses import replace
from typing import Any, NamedTuple

import psycopg

from ..._json import dumps
from ..._text import storable
from ...app import PgQueue
from ...database.call import Call
from ...database.calls import enqueue as calls
from ...database.calls.enqueue import Added, Alike, EnqueueOptions, LimitOptions, TimeOptions, UniqueOptions
from ...errors import InvalidArgument
from ...limits.keys import completed, limiting
from ...options import Options, given
from ...retry import Retry
from ...task import Task
from ...unique import Unique
from ..bodies.enqueue import JobIn, RetryIn, UniqueIn
from ..bodies.fields import given as given_in
from ..bodies.filters import id_of
from ..written import written

_SAME = (
    "queue", "priority", "run_at", "run_after", "result_ttl", "timeout", "soft_timeout", "total_timeout", "run_if", "fair",
    "cost",
)  # fmt: skip

MOST_GROUPS = 16  # of jobs that are alike, in a batch


class Order(NamedTuple):
    """The options of one or many jobs.

    Attributes:
        name: of the task.
        task: the task, if the app has it.
        options: those of the request over those of the task.
        sql, unique, times: the same for SQL.
    """

    name: str
    task: Task[..., Any] | None
    options: Options
    sql: EnqueueOptions
    unique: UniqueOptions
    times: TimeOptions | None


class One(NamedTuple):
    """A job that is ready to be enqueued: its arguments are JSON text."""

    order: Order
    args: str
    limits: LimitOptions | None


def order_of(app: PgQueue, job: JobIn) -> Order:
    """The options of a job.

    Raises:
        InvalidArgument, Problem: one is out of range.
    """
    name, changed = storable("task", job.task), _options(job)
    task = app.tasks.get(name)
    options = Options(**given(changed)) if task is None else task.using(**changed).options  # type: ignore[arg-type]
    return _order(name, task, options)


def one_of(app: PgQueue, order: Order, args: dict[str, Any], stack: ExitStack) -> One:
    """A job of this order. The app's middleware of enqueues is entered until the end of `stack`.

    Raises:
        InvalidArgument, Problem: the arguments do not fit the task, or cannot be stored.
    """
    text = written("args", args)
    task = order.task
    if task is None:
        return One(order, text, _limits(order.options))
    arguments = task.parameters.load(text)  # checks them, too
    if app.enqueue_middleware:
        call = stack.enter_context(app.enqueuing(order.name, arguments, order.options))
        order, text = _order(order.name, task, call.options), task.parameters.dump(call.args)
    if order.options.is_limited:
        text = _completed(task, order.options, args, text)
    return One(order, text, limiting(task, order.options, text))


def enqueuing(app: PgQueue, one: One, trace: str | None, stack: ExitStack) -> Call[list[Added]]:
    """The call that adds this job."""
    order = one.order
    if order.unique.mode is not None:
        return calls.enqueue_jobs([element(one, trace)], order.options.held_for)
    notify = stack.enter_context(app.waking(order.options))
    return calls.enqueue(order.name, one.args, order.sql, notify, one.limits, order.times, trace)


def enqueuing_all(app: PgQueue, jobs: list[One], trace: str | None, stack: ExitStack) -> Call[list[Added]]:
    """The call that adds these jobs: much cheaper where many differ in nothing but their arguments."""
    groups: dict[tuple[int, str], list[int]] = {}
    for place, (order, _, limits) in enumerate(jobs):
        groups.setdefault((id(order), repr(limits)), []).append(place)
    if len(groups) > MOST_GROUPS or any(one.order.unique.mode is not None for one in jobs):
        return calls.enqueue_jobs([element(one, trace) for one in jobs])
    places = list(groups.values())
    call = calls.enqueue_groups([_alike(app, [jobs[place] for place in its], stack) for its in places], trace)
    return replace(call, read=lambda rows: _in_order(places, call.read(rows)))  # type: ignore[arg-type, return-value]


def _alike(app: PgQueue, jobs: list[One], stack: ExitStack) -> Alike:
    order, _, limits = jobs[0]
    args = f"[{','.join([one.args for one in jobs])}]"
    return Alike(order.name, args, order.sql, stack.enter_context(app.waking(order.options)), limits, order.times)


def _in_order(places: list[list[int]], added: list[list[Added]]) -> list[Added]:
    """The jobs of all groups in the order of the request."""
    found = zip((place for its in places for place in its), (one for its in added for one in its), strict=True)
    return [one for _, one in sorted(found)]


def element(one: One, trace: str | None) -> str:
    """A job as an element of the array that enqueue_many takes, as JSON text."""
    order = one.order
    plain: dict[str, Any] = {"task": order.name, **order.sql._asdict()}
    texts = {"args": one.args, "trace": trace, **{name: plain.pop(name) for name in calls.JSON_OPTIONS}}
    plain["depends_on"] = order.options.depends_on
    plain |= {f"unique_{name}": value for name, value in order.unique._asdict().items()}
    for more in (one.limits, order.times):
        plain |= more._asdict() if more is not None else {}
    fields = [f'"{name}":{dumps(value)}' for name, value in plain.items() if value is not None]
    fields += [f'"{name}":{text}' for name, text in texts.items() if text is not None]
    return "{" + ",".join(fields) + "}"


def finding(app: PgQueue, job: JobIn, stack: ExitStack) -> Call[int | None]:
    """The call that finds the job of which this one would be a duplicate; without `unique` as of mode until_done."""
    order = order_of(app, job)
    unique = order.unique if order.unique.mode is not None else UniqueOptions("until_done")
    return calls.find_duplicate(order.name, one_of(app, order, job.args, stack).args, unique)


def checked_args(app: PgQueue, task: str, args: dict[str, Any] | None) -> str | None:
    """New arguments of a job of this task as JSON text.

    Raises:
        InvalidArgument, Problem: they do not fit the task, if the app has it, or cannot be stored.
    """
    if args is None:
        return None
    text = written("args", args)
    if task in app.tasks:
        app.tasks[task].parameters.load(text)
    return text


def stored_badly(error: psycopg.DataError, field: str = "args") -> InvalidArgument:
    """What PostgreSQL says of JSON that it cannot store, such as a number of too many digits; all other values were checked."""
    return InvalidArgument(f"{field}: it is not valid; PostgreSQL cannot store it: {error.diag.message_primary}")


def _order(name: str, task: Task[..., Any] | None, options: Options) -> Order:
    sql = replace(options, meta=None).to_sql()._replace(meta=None if options.meta is None else written("meta", options.meta))
    return Order(name, task, options, sql, options.to_unique(), options.to_times())


def _options(job: JobIn) -> dict[str, Any]:
    """The options of a body as `Task.using` takes them."""
    found = {name: value for name in _SAME if (value := getattr(job, name)) is not None}
    if job.meta is not None:
        found["meta"] = job.meta
    if job.limits is not None:
        found["limits"] = tuple(job.limits)
    if job.retry is not None:
        found["retry"] = _retry(job.retry) if isinstance(job.retry, RetryIn) else job.retry
    if job.unique is not None:
        found["unique"] = Unique(**given_in(job.unique)) if isinstance(job.unique, UniqueIn) else job.unique
    if job.depends_on is not None:
        found["depends_on"] = [id_of("depends_on", id) for id in job.depends_on]
    expires = job.expires_at if job.expires_after is None else job.expires_after
    return found if expires is None else {**found, "expires": expires}


def _retry(policy: RetryIn) -> Retry:
    fields = dict(given_in(policy))
    if (delays := fields.pop("delays", None)) is not None:
        fields["backoff"] = delays
    return Retry(**fields)


def _limits(options: Options) -> LimitOptions | None:
    if not options.is_limited:
        return None
    assert not callable(options.cost)  # only a decorator can give a function
    return LimitOptions(list(options.limits) or None, options.fair, options.cost)  # type: ignore[arg-type]


def _completed(task: Task[..., Any], options: Options, args: dict[str, Any], text: str) -> str:
    """The arguments with defaults that its keys name, so that SQL finds them."""
    missing = completed(task.parameters, options, args).keys() - args.keys()
    if not missing:
        return text
    more = task.parameters.dump_some({name: task.parameters.defaults[name] for name in missing})
    return more if text == "{}" else f"{text[:-1]},{more[1:]}"
