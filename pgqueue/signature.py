"""A call of a task that is not enqueued yet."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ._json import dumps
from .errors import InvalidArgument
from .options import Options

if TYPE_CHECKING:
    from .task import Task

R = TypeVar("R", covariant=True)


@dataclass(frozen=True, slots=True)
class Signature(Generic[R]):
    """What `task.s(…)` returns.

    Attributes:
        task: the task.
        args: its arguments by name, as they were given.
        options: with which it will be enqueued.
    """

    task: "Task[..., R]"
    args: dict[str, Any]
    options: Options

    def to_json(self) -> str:
        """An element of what SQL's enqueue_many takes.

        Raises:
            InvalidArgument: the arguments do not fit their type hints.
        """
        unique = {f"unique_{name}": value for name, value in self.options.to_unique()._asdict().items()}
        plain = {"task": self.task.name, **self.options.to_sql()._asdict(), **unique}
        nested = {"args": self.args_json(), "retry": plain.pop("retry"), "meta": plain.pop("meta")}  # JSON text already
        fields = [f'"{name}":{dumps(value)}' for name, value in plain.items() if value is not None]
        fields += [f'"{name}":{text}' for name, text in nested.items() if text is not None]
        return "{" + ",".join(fields) + "}"

    def args_json(self) -> str:
        """The arguments as JSON text, checked against their type hints."""
        return self.task.parameters.dump(self.args)


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
                "statement; give connection= to enqueue_many"
            )
    return connection
