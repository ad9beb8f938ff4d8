"""docs/options.md: every option, its default, and where it may stand."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from typer.main import get_command

from pgqueue import Limit, PgQueue, Retry, Schedule, Unique
from pgqueue.api.bodies.enqueue import JobIn, RetryIn, UniqueIn
from pgqueue.api.bodies.limits import LimitIn
from pgqueue.cli import cli
from pgqueue.config import names as setting_names
from pgqueue.control.queue_settings import QueueSettings
from pgqueue.job import Job
from pgqueue.schedules.schedule import OF_ONE_CALL
from pgqueue.task import Task
from pgqueue.worker import WorkerOptions

from .signatures import Row, arguments_of, default_of, kind_of, said_of, table, wrapped
from .sql import arguments_in

# What None means where a signature says None; the table of an option is not complete without it.
DEFAULTS = {
    "queue": "`default`", "priority": "0 (`medium`)", "run_at": "at once", "run_after": "at once", "retry": "3, exponential",
    "result_ttl": "24 hours", "meta": "none", "unique": "not unique", "connection": "its own", "depends_on": "none",
    "run_if": '`"succeeded"`', "limits": "none", "fair": "none", "cost": "1", "notify": "`True`", "timeout": "no limit",
    "soft_timeout": "80% of timeout", "expires": "never", "total_timeout": "no limit", "name": "of the function",
    "version": "none", "executor": "by its kind", "rate_limit": "none", "max_running": "any number", "cron": "none",
    "timezone": '`"UTC"`',
}  # fmt: skip
# Where an option of Python has another name, or several.
IN_SQL = {"retry": ("retries", "retry"), "unique": ("unique_mode", "unique_key", "unique_period"),
          "expires": ("expires_at", "expires_after")}  # fmt: skip
IN_REST = {"expires": ("expires_at", "expires_after")}
IN_CLI = {"retry": ("--retries",), "limits": ("--limit",), "to_queue": ("--to-queue",)}
# Arguments that are no option: what is called, and what pgqueue says to itself.
NO_OPTIONS = {"task", "args", "trace", "limits_declared"}
OF_SUPERVISORS = {"about", "supervised"}
HEAD = """# Options

Every option, its default, and where it may stand. This page is made from the signatures and docstrings. Durations are
seconds or a `timedelta` in Python, seconds in REST, an `interval` in SQL and on the command line (`90`,
`'5 minutes'`, `2h`). Settings of a process and of an install have [a page of their own](settings.md); so have the
[commands](cli.md) and the [endpoints](api-reference.md).

- [Options of a job](#options-of-a-job): `@app.task(…)`, `task.using(…)`, `enqueue`, schedules
- [PgQueue](#pgqueue), [Retry](#retry), [Unique](#unique), [Limit](#limit), [Schedule](#schedule), [queues](#queues),
  [workers](#workers)

## Options of a job

The nearest one counts: `using` before the decorator, the decorator before the setting. **SQL and the command line do
not read your code**: there the decorator's options do not apply, so pass what matters. REST applies them if the
server was started with the app. A schedule takes the options of its call:
`Schedule("nightly", report.using(queue="slow").s())`. ✓: it may stand there, by its own name.

"""


def reference() -> str:
    """The text of the page."""
    return (
        HEAD
        + _of_jobs()
        + "".join((_of_app(), _of_retry(), _of_unique(), _of_limits(), _of_schedules(), _of_queues(), _of_workers()))
    )


def options_of_jobs() -> dict[str, Any]:
    """The options of the decorator and of `using`, with their parameters."""
    return {
        **arguments_of(Task.using),
        **{n: p for n, p in arguments_of(PgQueue.task).items() if n not in arguments_of(Task.using)},
    }


def places() -> dict[str, dict[str, str]]:
    """By place, then by option, what stands there."""
    options = options_of_jobs()
    using = arguments_of(Task.using)
    return {
        "task": _same(options, arguments_of(PgQueue.task)),
        "using": _same(options, using),
        "schedule": _same(options, using.keys() - set(OF_ONE_CALL)),
        "SQL `enqueue`": _named(options, IN_SQL, arguments_in("enqueue/enqueue")),
        "REST `POST /jobs`": _named(options, IN_REST, JobIn.model_fields.keys()),
        "`pgqueue enqueue`": _named(options, IN_CLI, flags("enqueue"), dashed=True),
        "`job.update`": _same(options, arguments_of(Job.update)),
        "setting": _same(options, setting_names()),
    }


def flags(command: str) -> set[str]:
    """The options of a command, as they are typed."""
    found: Any = get_command(cli)
    for word in command.split():
        found = found.commands[word]
    return {one.opts[0] for one in found.params if one.param_type_name == "option"}


def _same(options: Collection[str], there: Collection[str]) -> dict[str, str]:
    return {name: "✓" for name in options if name in there}


def _named(
    options: Collection[str], other: Mapping[str, tuple[str, ...]], there: Collection[str], dashed: bool = False
) -> dict[str, str]:
    found = {}
    for name in options:
        names = other.get(name, (f"--{name.replace('_', '-')}" if dashed else name,))
        if here := [one for one in names if one in there]:
            found[name] = "✓" if here in ([name], [f"--{name.replace('_', '-')}"]) else ", ".join(f"`{one}`" for one in here)
    return found


def _of_jobs() -> str:
    options, where = options_of_jobs(), places()
    matrix = [
        (f"`{name}`", DEFAULTS.get(name) or default_of(one), *(place.get(name, "") for place in where.values()))
        for name, one in options.items()
    ]
    said = said_of(PgQueue.task) | said_of(Task.using)
    meanings = [(f"`{name}`", kind_of(one.annotation), said[name]) for name, one in options.items()]
    return (
        table(("option", "default", *where), matrix)
        + "\nWhat they mean:\n\n" + table(("option", "value", ""), meanings)
        + "\nThe setting is the default of the decorator. More: [tasks](tasks.md), [timeouts](timeouts.md),\n"
        "[limits](limits.md), [workflows](workflows.md).\n"
    )  # fmt: skip


def _section(title: str, about: str, rows: Iterable[Row], titles: Row = ("option", "value", "default", "")) -> str:
    return f"\n## {title}\n\n{wrapped(about)}\n{table(titles, rows)}"


def _rows(of: Any) -> list[Row]:
    said = said_of(of)
    return [
        (f"`{name}`", kind_of(one.annotation), default_of(one), said.get(name, ""))
        for name, one in arguments_of(of).items()
    ]  # fmt: skip


def _of_app() -> str:
    about = "`PgQueue(…)`. Further keyword arguments are [settings](settings.md): `PgQueue(lease=60)`."
    return _section("PgQueue", about, _rows(PgQueue))


def _of_retry() -> str:
    _agree(Retry, RetryIn.model_fields.keys() - {"delays"}, "REST")
    about = (
        "`retry=Retry(…)`, or a number of retries. REST has the same fields in `retry`; there a list of seconds is `delays`. "
        "In SQL `retries` is the number, and `retry` a JSON object of the others."
    )
    return _section("Retry", about, _rows(Retry))


def _of_unique() -> str:
    _agree(Unique, UniqueIn.model_fields.keys(), "REST")
    about = (
        "`unique=Unique(…)`, or a mode. REST has the same fields in `unique`; SQL `unique_mode`, `unique_key`, `unique_period`."
    )
    return _section("Unique", about, _rows(Unique))


def _of_limits() -> str:
    _agree(Limit, {*LimitIn.model_fields.keys(), "name"}, "REST", but={"enabled"})
    about = (
        "`Limit(…)` in `PgQueue(limits=[…])`, in a decorator or in `app.limits.declare`; at run time `app.limits.set`, "
        "`pgqueue limits set`, `PUT /limits/{key}`, and in SQL `set_limit`, where `counts` is `count_cost` (true or false). "
        "A limit that people have set counts more than one that code declares. See [limits](limits.md)."
    )
    return _section("Limit", about, _rows(Limit))


def _of_schedules() -> str:
    about = (
        "`Schedule(…)` in `app.schedules.declare`; `cron` and `timezone` in a decorator, too. At run time `app.schedules.set`, "
        "`pgqueue schedules set`, and in SQL `set_schedule`, with the same names. See [schedules](schedules.md)."
    )
    return _section("Schedule", about, _rows(Schedule))


def _of_queues() -> str:
    said = said_of(QueueSettings)
    rows = [(f"`{name}`", kind_of(hint), said[name]) for name, hint in QueueSettings.__annotations__.items()]
    about = (
        'Of one queue, at run time: `app.set_queue("mail", max_ready=10000)`, `pgqueue queues set mail --max-ready 10000`, '
        "`PATCH /queues/{name}`, `select pgqueue.set_queue('mail', '{\"max_ready\": 10000}')`. See [queues](queues.md)."
    )
    return _section("Queues", about, rows, ("setting", "value", ""))


def _of_workers() -> str:
    worker, agent = flags("worker"), flags("agent")
    rows = []
    for name, one in arguments_of(WorkerOptions).items():
        if name in OF_SUPERVISORS:
            continue
        flag = f"--{name.replace('_', '-')}"
        cells = (f"`{flag}`" if flag in worker else "", "✓" if flag in agent else "")
        rows.append((f"`{name}`", cells[0], cells[1], default_of(one), said_of(WorkerOptions)[name]))
    about = (
        "`Worker(app, WorkerOptions(…))`, and options of [`pgqueue worker`](cli.md#pgqueue-worker), which has some more: "
        "processes, recycling, probes, logs. A [pool](pools.md) says `queues` and `concurrency` for its workers."
    )
    return _section("Workers", about, rows, ("option", "`pgqueue worker`", "`pgqueue agent`", "default", ""))


def _agree(of: Any, there: Collection[str], place: str, but: Collection[str] = ()) -> None:
    """What the text of a section says: the names are the same."""
    differ = set(arguments_of(of)) ^ set(there) - set(but)
    assert not differ, f"{of.__name__} and {place} differ in {sorted(differ)}: change them, or what docs/options.md says"
