"""Find enqueued jobs that the connection of a test sees."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from .._checks import Duration, Priority
from .._text import named
from ..database.calls import testing as sql
from ..errors import InvalidArgument
from ..job import Job
from ..options import Options, given
from ..outcomes import seconds
from ..registry import Registered

R = TypeVar("R")
Rows = list[dict[str, Any]]
SHOWN = 20  # jobs in a message
TOLERANCE = 1.0  # seconds


def assert_enqueued(
    task: Registered[R],
    connection: Any = None,
    *,
    count: int | None = None,
    queue: str | None = None,
    priority: Priority | None = None,
    run_at: datetime | None = None,
    run_after: Duration | None = None,
    tolerance: Duration = TOLERANCE,
    meta: Any = None,
    state: str | None = None,
    args: Mapping[str, Any] | None = None,
    **more_args: Any,
) -> list[Job[R]]:
    """Assert that calls of this task are enqueued, with these arguments and options; omitted ones may have any value.

    Args:
        task: the task.
        connection: the connection whose transaction to look in, as in `Task.using`; None: look at committed jobs.
        count: the number of jobs; None (default) = at least one.
        queue, priority: the values from the enqueue.
        run_at: the time when it is due.
        run_after: seconds (or timedelta) from its enqueue until it is due.
        tolerance: by how many seconds (or timedelta) run_at and run_after may differ; 1 by default.
        meta: the whole value of meta.
        state: as in `Job.status`; by default any state, also of jobs that are over.
        args, more_args: arguments by name. They pass through JSON and their type hints, as in an enqueue.

    Returns:
        The matching jobs in the order of enqueuing.

    Raises:
        AssertionError: there are none, or not `count`; the message lists the enqueued jobs and names the smallest difference.
        InvalidArgument: the task has no such argument.
    """
    __tracebackhide__ = True
    wanted = _Wanted(task, {**(args or {}), **more_args}, queue, priority, run_at, run_after, tolerance, meta, state)
    return wanted.check(task._app.database.run(sql.jobs(), connection), count)


async def aassert_enqueued(task: Registered[R], connection: Any = None, **wanted: Any) -> list[Job[R]]:
    """`assert_enqueued` for async code: the same arguments, and connections of async code."""
    __tracebackhide__ = True
    count = wanted.pop("count", None)
    return _wanted(task, **wanted).check(await task._app.async_database.run(sql.jobs(), connection), count)


def refute_enqueued(task: Registered[Any], connection: Any = None, **wanted: Any) -> None:
    """Assert that no such call is enqueued; arguments as in `assert_enqueued`, without `count`."""
    __tracebackhide__ = True
    _wanted(task, **wanted).check(task._app.database.run(sql.jobs(), connection), 0)


async def arefute_enqueued(task: Registered[Any], connection: Any = None, **wanted: Any) -> None:
    """`refute_enqueued` for async code."""
    __tracebackhide__ = True
    _wanted(task, **wanted).check(await task._app.async_database.run(sql.jobs(), connection), 0)


def _wanted(
    task: Registered[Any],
    queue: str | None = None,
    priority: Priority | None = None,
    run_at: datetime | None = None,
    run_after: Duration | None = None,
    tolerance: Duration = TOLERANCE,
    meta: Any = None,
    state: str | None = None,
    args: Mapping[str, Any] | None = None,
    **more_args: Any,
) -> "_Wanted":
    return _Wanted(task, {**(args or {}), **more_args}, queue, priority, run_at, run_after, tolerance, meta, state)


class _Wanted:
    """Calls of one task that a test looks for."""

    def __init__(
        self,
        task: Registered[Any],
        args: dict[str, Any],
        queue: str | None,
        priority: Priority | None,
        run_at: datetime | None,
        run_after: Duration | None,
        tolerance: Duration,
        meta: Any,
        state: str | None,
    ) -> None:
        options = Options(**given({"queue": queue, "priority": priority, "run_at": run_at, "meta": meta}))
        self._task = task
        self._args = _converted(task, args)
        self._times = {"run_at": options.run_at, "run_after": None if run_after is None else seconds(run_after)}
        self._tolerance = seconds(tolerance)
        fields: dict[str, Any] = {"queue": queue, "state": state, "priority": None if priority is None else options.priority}
        fields["meta"] = None if meta is None else json.loads(options.to_sql().meta or "null")
        self._fields = {name: value for name, value in fields.items() if value is not None}

    def check(self, rows: Rows, count: int | None) -> list[Job[Any]]:
        """The jobs of the matching rows; AssertionError if their number is wrong."""
        __tracebackhide__ = True
        rows = [_decoded(row) for row in rows]
        matching = [row for row in rows if row["task"] == self._task.name and not any(self._differences(row))]
        if len(matching) != count if count is not None else not matching:
            raise AssertionError("\n".join(self._message(rows, matching, count)))
        return [Job(self._task._app, row["id"], self._task.parameters) for row in matching]

    def _differences(self, row: dict[str, Any]) -> Iterator[str]:
        for name, value in self._args.items():
            if name not in row["args"]:
                yield f"{name} was not given, not {_shown(value)}"
            elif row["args"][name] != value:
                yield f"{name} is {_shown(row['args'][name])}, not {_shown(value)}"
        for name, value in self._fields.items():
            if row[name] != value:
                yield f"{name} is {_shown(row[name])}, not {_shown(value)}"
        yield from self._late(row)

    def _late(self, row: dict[str, Any]) -> Iterator[str]:
        run_at, after = self._times["run_at"], self._times["run_after"]
        if isinstance(run_at, datetime) and abs(row["run_at"] - run_at.timestamp()) > self._tolerance:
            yield f"run_at is {datetime.fromtimestamp(row['run_at'], UTC).isoformat()}, not {run_at.isoformat()}"
        if isinstance(after, float) and abs(row["waits"] - after) > self._tolerance:
            yield f"run_after is {row['waits']:.3f} s, not {after:g} s"

    def _message(self, rows: Rows, matching: Rows, count: int | None) -> Iterator[str]:
        expected = "at least one" if count is None else str(count)
        yield f"{len(matching)} jobs instead of {expected} match {self}"
        same = [row for row in rows if row["task"] == self._task.name]
        if (count is None or count > len(matching)) and (others := [row for row in same if row not in matching]):
            nearest = min(others, key=lambda row: len(list(self._differences(row))))
            yield f"nearest: job {nearest['id']}: {'; '.join(self._differences(nearest))}"
        yield "enqueued:" if rows else "nothing is enqueued, as far as this connection sees"
        listed = (same + [row for row in rows if row not in same])[:SHOWN]
        yield from (f"  {_described(row)}" for row in listed)
        if len(rows) > len(listed):
            yield f"  … and {len(rows) - len(listed)} more"

    def __str__(self) -> str:
        times = {
            name: value if isinstance(value, float) else str(value) for name, value in self._times.items() if value is not None
        }
        options = ", ".join(f"{name}={_shown(value)}" for name, value in {**self._fields, **times}.items())
        call = f"{self._task.name}({', '.join(f'{name}={_shown(value)}' for name, value in self._args.items())})"
        return f"{call} with {options}" if options else call


def _converted(task: Registered[Any], args: dict[str, Any]) -> dict[str, Any]:
    """Arguments as they would be stored. They are converted one by one, because others may be missing."""
    parameters = task.parameters
    if unknown := args.keys() - parameters.names:
        raise InvalidArgument(f"args: task {task.name!r} has no argument {named(unknown)}; it takes {named(parameters.names)}")
    return {name: value for name, value in json.loads(parameters.dump_some(args)).items() if name in args}


def _decoded(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "args": json.loads(row["args"]), "meta": None if row["meta"] is None else json.loads(row["meta"])}


def _described(row: dict[str, Any]) -> str:
    args = ", ".join(f"{name}={_shown(value)}" for name, value in row["args"].items())
    meta = "" if row["meta"] is None else f" meta={_shown(row['meta'])}"
    after = f" run_after={row['waits']:.3f}" if row["waits"] > 0.001 else ""
    return f"job {row['id']} {row['state']}: {row['task']}({args}) queue={row['queue']} priority={row['priority']}{after}{meta}"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else text[:200] + "…"
