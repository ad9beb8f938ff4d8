"""Whether worker processes can start as they are told to, before any is started: `pgqueue worker --check`."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from .._json import loads
from ..app import PgQueue
from ..check import check_limit_names
from ..database.calls import doctor as calls
from ..database.calls import limits as limit_calls
from ..database.calls.doctor import Finding
from ..errors import ConfigurationError, DatabaseNotConfigured
from ..schedules.ticks import Ticks
from .connections import needed, of_room
from .examine import Examination, Examiner, configuration, look_around
from .refused import quoted

MOST_NAMES = 10  # in one sentence


def preflight(app: PgQueue, queues: Sequence[str], concurrency: int, processes: int, *, offline: bool = False) -> Examination:
    """Check an app, and what its workers need, without starting anything.

    Args:
        app: the app.
        queues: those that the workers are told to serve; empty = all of the app's tasks.
        concurrency: jobs that each process runs at once.
        processes: their number.
        offline: check only what needs no database.
    """
    examiner = Examiner(app)
    examiner.check("configuration", lambda: configuration(app))
    examiner.check("queues", lambda: list(_queues(app, queues)))
    examiner.check("schedules", lambda: list(_schedules(app, datetime.now(UTC))))
    try:
        if not offline:
            _database(app, examiner, concurrency, processes)
    finally:
        examiner.close()
    return examiner.examination()


def _database(app: PgQueue, examiner: Examiner, concurrency: int, processes: int) -> None:
    try:
        situation = look_around(app, examiner)
    except DatabaseNotConfigured as error:
        message = str(error)
        examiner.check("database", lambda: [_no_url(message)])
        return
    if situation is None:
        return
    examiner.check("connections", lambda: _room(app, examiner, concurrency, processes))
    if situation.may_diagnose:
        examiner.check("limits", lambda: _limits(app, examiner))


def _no_url(message: str) -> Finding:
    so = "workers do not start"
    return Finding("no-database-url", "error", "settings", message, {}, so, "set PGQUEUE_DATABASE_URL; or add --offline")


def _room(app: PgQueue, examiner: Examiner, concurrency: int, processes: int) -> list[Finding]:
    schema = app.settings.schema_name
    room = examiner.run(calls.room(schema))
    found = list(of_room(needed(app, concurrency, processes), room))
    if room.may_work is False:
        problem, so = f"the role of this session may not run jobs of the schema {schema}", "workers do not start"
        remedy = f"grant {quoted(schema + '_worker')} to the role -- pgqueue migrate --roles makes the roles"
        found.append(Finding("may-not-work", "error", schema, problem, {"schema": schema}, so, remedy))
    return found


def _limits(app: PgQueue, examiner: Examiner) -> list[Finding]:
    if not any(task.options.limits for task in app.tasks.values()):
        return []
    try:
        check_limit_names(app, examiner.run(limit_calls.limit_status()))
    except ConfigurationError as error:
        so = "each enqueue of these tasks is refused"
        return [Finding("unknown-limit", "error", "limits", str(error), {}, so, "declare or set them, as the message says")]
    return []


def _queues(app: PgQueue, queues: Sequence[str]) -> Iterator[Finding]:
    if not queues:
        return
    of_tasks = set(app.queues)
    if unknown := [name for name in dict.fromkeys(queues) if name not in of_tasks]:
        yield Finding(
            "queue-without-tasks", "warning", ", ".join(unknown[:MOST_NAMES]),
            f"no task of the app has the queue {_listed(unknown)}", {"queues": unknown},
            "unless jobs are put there by `using(queue=…)`, these workers look at it in vain, as after a misspelled name",
            f"leave it out, or use one of {_listed(sorted(of_tasks))}",
        )  # fmt: skip
    if left := sorted(of_tasks.difference(queues)):
        yield Finding(
            "queue-left-to-others", "note", ", ".join(left[:MOST_NAMES]),
            f"tasks of the app have the queue {_listed(left)}, which these workers do not serve", {"queues": left},
            "its jobs wait for other workers", "start workers for it, if there are none",
        )  # fmt: skip


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(map(repr, names[:MOST_NAMES])) + (f" and {more} more" if more > 0 else "")


def _schedules(app: PgQueue, at: datetime) -> Iterator[Finding]:
    for name, schedule in app.schedules.declared.items():
        if Ticks.from_definition(loads(schedule.definition()), name).first_after(at) is None:
            yield Finding(
                "schedule-never-due", "warning", name, f"the schedule {name!r} is never due again", {"schedule": name},
                "it makes no jobs", "mend its cron expression or its ends_at; or remove it, if it is over",
            )  # fmt: skip
