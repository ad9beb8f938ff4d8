"""A call of a task that is not enqueued yet."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .._json import dumps
from ..errors import InvalidArgument
from ..limits.keys import completed, limiting
from ..options import Options

if TYPE_CHECKING:
    from ..task import Task
    from .canvas import Chain

R = TypeVar("R", covariant=True)
S = TypeVar("S")


class Part(Generic[R]):
    """What a workflow can be put together of: signatures, chains and groups."""

    __slots__ = ()

    def __or__(self, other: "Part[S]") -> "Chain[S]":
        """`a | b` is `chain(a, b)`."""
        from .canvas import Chain

        return Chain((self, other)) if isinstance(other, Part) else NotImplemented


@dataclass(frozen=True, slots=True)
class Signature(Part[R]):
    """What `task.s(…)` and `task.si(…)` return.

    Attributes:
        task: the task.
        args: its arguments by name, as they were given.
        options: with which it will be enqueued.
        immutable: whether it takes no parent's result: made by `si`.
        positional: how many of the arguments, the first ones, were given by their place; behind a parent they move by one.
        label: what its node is called by default, in place of its task.
    """

    task: "Task[..., R]"
    args: dict[str, Any]
    options: Options
    immutable: bool = False
    positional: int = 0
    label: str | None = None

    def to_json(self) -> str:
        """An element of what SQL's enqueue_many takes.

        Raises:
            InvalidArgument: arguments are missing, or do not fit their type hints.
        """
        return "{" + ",".join(self.fields(self.args_json())) + "}"

    def fields(self, args: str, takes: str | None = None) -> list[str]:
        """The fields of `to_json`, each as JSON text.

        Args:
            args: the arguments as JSON text.
            takes: the argument that a parent's result will be.

        Raises:
            InvalidArgument: limits need that result, or the cost is of no use.
        """
        unique = {f"unique_{name}": value for name, value in self.options.to_unique()._asdict().items()}
        plain = {"task": self.task.name, **self.options.to_sql()._asdict(), **unique}
        nested = {"args": args, "retry": plain.pop("retry"), "meta": plain.pop("meta")}  # JSON text already
        plain["depends_on"] = self.options.depends_on or None  # as an array
        if not self.options.depends_on:
            del plain["run_if"]
        if not self.options.notify:
            plain["notify"] = False
        if limits := limiting(self.task, self.options, args, takes):
            plain |= limits._asdict()
        fields = [f'"{name}":{dumps(value)}' for name, value in plain.items() if value is not None]
        return fields + [f'"{name}":{text}' for name, text in nested.items() if text is not None]

    def args_json(self, takes: str | None = None) -> str:
        """The arguments as JSON text, checked against their type hints; without the one that a parent's result will be."""
        parameters = self.task.parameters
        args = completed(parameters, self.options, self.args, takes)
        return parameters.dump(args) if takes is None else parameters.dump_behind(args, takes)


def the_connection(signatures: list[Signature[Any]], given: Any) -> Any:
    """The connection that signatures are enqueued on together: the one given, or the one that all of them name.

    Raises:
        InvalidArgument: one of them names another.
    """
    named = [signature.options.connection for signature in signatures]
    connection = given if given is not None else next((one for one in named if one is not None), None)
    for one, signature in zip(named, signatures, strict=True):
        if one is not connection and not (one is None and given is not None):
            raise InvalidArgument(
                f"connection: {signature.task.name!r} names {'none' if one is None else 'another one'}, and all are added by one "
                "statement; give connection= to that call"
            )
    return connection
