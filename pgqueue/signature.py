"""A call of a task that is not enqueued yet."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ._json import dumps
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
