"""Calls put together: one after the other, side by side, and many into one.

A parent's result becomes the first argument of its child; see `Task.s` and `Task.si`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .._text import shortened
from ..errors import InvalidArgument
from .signature import Part, Signature

if TYPE_CHECKING:
    from .builder import WorkflowBuilder
    from .workflow import Workflow

R = TypeVar("R", covariant=True)
S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Canvas(Part[R]):
    """A chain or a group.

    Attributes:
        parts: signatures, chains and groups.

    Raises:
        InvalidArgument: there are none, or one of them is something else.
    """

    parts: tuple[Part[Any], ...]

    def __post_init__(self) -> None:
        what = type(self).__name__.lower()
        for part in self.parts:
            if not isinstance(part, Part):
                raise InvalidArgument(f"{what}: {shortened(part)} is not valid; use task.s(…), task.si(…), chains and groups")
        if not self.parts:
            raise InvalidArgument(f"{what}: there is nothing in it; give at least one call such as task.s(…)")

    def enqueue(self, *, connection: Any = None) -> "Workflow[R]":
        """Add all of it as one workflow: one statement, all or nothing.

        Args:
            connection: as in `Task.using`, for all of it. What the signatures say when it is not given here.

        Returns:
            A handle on the workflow; its `result` is that of the last call, or a list when a group is last.

        Raises:
            InvalidArgument: arguments or options are wrong, or a call has no argument left for its parent's result; the message
                tells which. Nothing is enqueued.
            WrongConnection: `connection` is none of those that work.
        """
        return self._builder().enqueue(connection=connection)

    async def aenqueue(self, *, connection: Any = None) -> "Workflow[R]":
        """`enqueue` for async code."""
        return await self._builder().aenqueue(connection=connection)

    def _builder(self) -> "WorkflowBuilder[R]":
        from .builder import WorkflowBuilder

        builder: WorkflowBuilder[R] = WorkflowBuilder(first_of(self).task._app, None)
        builder.add(self)
        return builder


@dataclass(frozen=True, slots=True)
class Chain(Canvas[R]):
    """What `chain` and `|` return: each part waits for the one before it. A chain in a chain is the same as its parts."""

    def __post_init__(self) -> None:
        Canvas.__post_init__(self)
        if any(isinstance(part, Chain) for part in self.parts):
            inner = (part.parts if isinstance(part, Chain) else (part,) for part in self.parts)
            object.__setattr__(self, "parts", tuple(part for parts in inner for part in parts))


@dataclass(frozen=True, slots=True)
class Group(Canvas[list[S]], Generic[S]):
    """What `group`, `Task.map` and `Task.starmap` return: the parts wait for nothing of each other."""

    def chunks(self, size: int) -> "Group[list[S]]":
        """The same calls in fewer jobs: each runs up to `size` of them one after the other and returns the list of their results.

        Args:
            size: 1 or more.

        Raises:
            InvalidArgument: the size is no such number, the group holds chains or groups, calls of several tasks or with several
                options, or a call that misses an argument.
        """
        from ..chunk import chunk_signature

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
    """Calls one after the other: each takes the result of the one before as its first argument.

    Args:
        parts: signatures, chains and groups. What follows a group waits for all of it and takes the list of the results, in the
            order of the group; each call of a group takes what the one call behind it would take.

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
    return Group(tuple(parts))  # type: ignore[arg-type]  # what is no part is refused


def chord(header: Iterable[Part[Any]] | Part[Any], callback: Part[S]) -> Chain[S]:
    """`chain(group(header), callback)`: the callback takes the list of the header's results, in the order of the header.

    Args:
        header: signatures, chains and groups; a group as it is.
        callback: what waits for all of them.

    Raises:
        InvalidArgument: the header is empty, or something is no signature, chain or group.
    """
    return Chain((header if isinstance(header, Group) else group(header), callback))


def first_of(part: Part[Any]) -> Signature[Any]:
    """The first signature that is written in it."""
    while isinstance(part, Canvas):
        part = part.parts[0]
    assert isinstance(part, Signature)
    return part
