"""Calls that are combined: one after the other, side by side, and many into one.

A parent's result becomes the first argument of its child; see `Task.s` and `Task.si`.
"""

import json
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from .._json import dumps
from .._text import shortened
from ..database.calls.enqueue import JSON_OPTIONS
from ..errors import InvalidArgument
from ..limits.keys import chunk_options, completed, limiting
from ..options import Options
from ..registry import Registered
from ..tracing.sending import Sending, sending
from .workflow import LONGEST_NAME, Workflow

R = TypeVar("R", covariant=True)
S = TypeVar("S")


class Part(Generic[R]):
    """A part of a workflow: a signature, a chain or a group."""

    __slots__ = ()

    def __or__(self, other: "Part[S]") -> "Chain[S]":
        """`a | b` is `chain(a, b)`."""
        return Chain((self, other)) if isinstance(other, Part) else NotImplemented


@dataclass(frozen=True, slots=True)
class Signature(Part[R]):
    """The type of `task.s(…)` and `task.si(…)`.

    Attributes:
        task: the task.
        args: the given arguments by name.
        options: the options for its enqueue.
        immutable: True if it takes no parent's result: made by `si`.
        positional: how many arguments, from the first, were given by position; after a parent they move by one.
        label: the default name of its node, in place of the name of the task.
    """

    task: Registered[R]
    args: dict[str, Any]
    options: Options
    immutable: bool = False
    positional: int = 0
    label: str | None = None

    def to_json(self, trace: str | None = None) -> str:
        """An element of the JSON array for the SQL function enqueue_many.

        Args:
            trace: the trace of the job, as JSON text; None = none.

        Raises:
            InvalidArgument: arguments are missing, or do not fit their type hints.
        """
        return "{" + ",".join(self.fields(self.args_json(), trace=trace)) + "}"

    def fields(self, args: str, takes: str | None = None, trace: str | None = None) -> list[str]:
        """The fields of `to_json`, each as JSON text.

        Args:
            args: the arguments as JSON text.
            takes: the argument that takes a parent's result.
            trace: as in `to_json`.

        Raises:
            InvalidArgument: limits need the parent's result, or the cost is invalid.
        """
        unique = {f"unique_{name}": value for name, value in self.options.to_unique()._asdict().items()}
        plain = {"task": self.task.name, **self.options.to_sql()._asdict(), **unique}
        nested = {"args": args, "trace": trace, **{name: plain.pop(name) for name in JSON_OPTIONS}}
        plain["depends_on"] = self.options.depends_on or None  # as an array
        if not self.options.depends_on:
            del plain["run_if"]
        if not self.options.notify:
            plain["notify"] = False
        if limits := limiting(self.task, self.options, args, takes):
            plain |= limits._asdict()
        if times := self.options.to_times():
            plain |= times._asdict()
        fields = [f'"{name}":{dumps(value)}' for name, value in plain.items() if value is not None]
        return fields + [f'"{name}":{text}' for name, text in nested.items() if text is not None]

    def args_json(self, takes: str | None = None) -> str:
        """The arguments as JSON text, checked against their type hints; without the argument that takes a parent's result."""
        parameters = self.task.parameters
        args = completed(parameters, self.options, self.args, takes)
        return parameters.dump(args) if takes is None else parameters.dump_behind(args, takes)


@dataclass(frozen=True, slots=True)
class Canvas(Part[R]):
    """A chain or a group.

    Attributes:
        parts: signatures, chains and groups.

    Raises:
        InvalidArgument: there are no parts, or a part is of another type.
    """

    parts: tuple[Part[Any], ...]

    def __post_init__(self) -> None:
        what = type(self).__name__.lower()
        for part in self.parts:
            if not isinstance(part, Part):
                raise InvalidArgument(f"{what}: {shortened(part)} is not valid; use task.s(…), task.si(…), chains and groups")
        if not self.parts:
            raise InvalidArgument(f"{what}: there is no call in it; give at least one call such as task.s(…)")

    def enqueue(self, *, connection: Any = None) -> Workflow[R]:
        """Add all calls as one workflow: one statement, all or nothing.

        Args:
            connection: as in `Task.using`, for the whole workflow. By default the connection of the signatures.

        Returns:
            A handle on the workflow; its `result` is the result of the last call, or a list if a group is last.

        Raises:
            InvalidArgument: arguments or options are wrong, or a call has no argument left for its parent's result; the message
                names it. Nothing is enqueued.
            WrongConnection: `connection` is not of a supported kind.
        """
        workflow: Workflow[R] = first_of(self).task._app.submit(self, connection)
        return workflow

    async def aenqueue(self, *, connection: Any = None) -> Workflow[R]:
        """`enqueue` for async code."""
        workflow: Workflow[R] = await first_of(self).task._app.asubmit(self, connection)
        return workflow


@dataclass(frozen=True, slots=True)
class Chain(Canvas[R]):
    """The type of `chain(…)` and `|`: each part waits for the part before it. A chain in a chain is the same as its parts."""

    def __post_init__(self) -> None:
        Canvas.__post_init__(self)
        if any(isinstance(part, Chain) for part in self.parts):
            inner = (part.parts if isinstance(part, Chain) else (part,) for part in self.parts)
            object.__setattr__(self, "parts", tuple(part for parts in inner for part in parts))


@dataclass(frozen=True, slots=True)
class Group(Canvas[list[S]], Generic[S]):
    """The type of `group(…)`, `Task.map` and `Task.starmap`: the parts do not wait for each other."""

    def chunks(self, size: int) -> "Group[list[S]]":
        """The same calls in fewer jobs: each runs up to `size` of them one after the other and returns the list of their results.

        Args:
            size: 1 or more.

        Raises:
            InvalidArgument: the size is invalid, the group has chains or groups, calls of several tasks or with different
                options, or a call without a required argument.
        """
        first, calls = self._same_calls(size)
        made = (chunk_signature(first.task, calls[at : at + size], at, first.options) for at in range(0, len(calls), size))
        return Group(tuple(replace(one, immutable=first.immutable) for one in made))

    def _same_calls(self, size: int) -> tuple[Signature[S], list[dict[str, Any]]]:
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise InvalidArgument(f"chunks: {shortened(size)} is not valid; use a number of calls, 1 or more")
        first = first_of(self)
        calls = []
        for part in self.parts:
            if not isinstance(part, Signature):
                raise InvalidArgument("chunks: chains and groups cannot be run in chunks; use signatures of one task")
            if part.task.name != first.task.name or part.options != first.options or part.immutable != first.immutable:
                raise InvalidArgument(
                    f"chunks: {first.task.name!r} and {part.task.name!r} cannot share a chunk; "
                    "use signatures of one task with the same options"
                )
            calls.append(part.task.parameters.bind((), part.args))
        return first, calls


def chain(*parts: *tuple[*tuple[Part[Any], ...], Part[S]]) -> Chain[S]:
    """Calls one after the other: each takes the result of the call before as its first argument.

    Args:
        parts: signatures, chains and groups. A part after a group waits for the whole group and takes the list of its results,
            in the order of the group. Each call of a group takes the same result as a single call in its place.

    Raises:
        InvalidArgument: there are no parts, or one of them is something else.

    Example:
        chain(fetch.s(url), parse.s(), store.s()).enqueue()     # or (fetch.s(url) | parse.s() | store.s()).enqueue()
    """
    return Chain(tuple(parts))


def group(*parts: Part[S] | Iterable[Part[S]]) -> Group[S]:
    """Calls side by side.

    Args:
        parts: signatures, chains and groups, or one iterable of them. A group in a group is the same as its parts.

    Raises:
        InvalidArgument: there are no parts, or one of them is something else.
    """
    if len(parts) == 1 and not isinstance(parts[0], Part) and isinstance(parts[0], Iterable):
        return Group(tuple(parts[0]))
    return Group(tuple(parts))  # type: ignore[arg-type]  # anything else is refused


def chord(header: Iterable[Part[Any]] | Part[Any], callback: Part[S]) -> Chain[S]:
    """`chain(group(header), callback)`: the callback takes the list of the header's results, in the order of the header.

    Args:
        header: signatures, chains and groups; a group as it is.
        callback: the part that waits for all of them.

    Raises:
        InvalidArgument: the header is empty, or a part is not a signature, chain or group.
    """
    return Chain((header if isinstance(header, Group) else group(header), callback))


def first_of(part: Part[Any]) -> Signature[Any]:
    """The first signature in a part, in the order of writing."""
    while isinstance(part, Canvas):
        part = part.parts[0]
    assert isinstance(part, Signature)
    return part


def the_connection(signatures: list[Signature[Any]], given: Any) -> Any:
    """The connection on which signatures are enqueued together: the given connection, or the connection that all of them name.

    Raises:
        InvalidArgument: a signature names another connection.
    """
    named = [signature.options.connection for signature in signatures]
    connection = given if given is not None else next((one for one in named if one is not None), None)
    for one, signature in zip(named, signatures, strict=True):
        if one is not connection and not (one is None and given is not None):
            raise InvalidArgument(
                f"connection: {signature.task.name!r} names {'none' if one is None else 'another one'}, and one "
                "statement adds all calls; give connection= to that call"
            )
    return connection


def sending_all(signatures: Sequence[Signature[Any]]) -> AbstractContextManager[Sending]:
    """Around the call that enqueues these."""
    tasks, queues = {one.task.name for one in signatures}, {one.options.queue for one in signatures}
    return sending(*(next(iter(names)) if len(names) == 1 else None for names in (tasks, queues)))


def chunk_signature(
    task: Registered[Any], calls: Sequence[dict[str, Any]], first: int = 0, options: Options | None = None
) -> Signature[list[Any]]:
    """One job for these calls of a task; its result is the list of their results, its cost is the sum of their costs.

    Args:
        task: a registered task that does not run in a process.
        calls: the arguments of each call, by name.
        first: the position of its first call among all calls; for the name of the node, such as resize[0:100].
        options: the options for its enqueue; by default those of the task.

    Raises:
        InvalidArgument: the task runs in a process, arguments do not fit it, or limits need the arguments of one call.
    """
    refuse_process(task)
    given = json.loads(task.parameters.dump_many(list(calls)))
    places = f"[{first}:{first + len(given)}]"
    label = task.name[: LONGEST_NAME - len(places)] + places
    options = chunk_options(task, options or task.options, given)
    return Signature(task._app.chunk_task, {"task": task.name, "calls": given}, options, immutable=True, label=label)


def refuse_process(task: Registered[Any]) -> None:
    """Refuse a task that runs in processes: a chunk runs its calls on the event loop or in threads. Raises InvalidArgument."""
    if task.executor == "process":
        raise InvalidArgument(f"chunks: task {task.name!r} runs in processes, and chunks do not; enqueue its calls one by one")
