"""A call of a task that is not enqueued yet."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from ._json import dumps
from .options import Options

R = TypeVar("R", covariant=True)


@dataclass(frozen=True, slots=True)
class Signature(Generic[R]):
    """What `task.s(…)` returns.

    Attributes:
        task: name of the task.
        args: its arguments as JSON text.
        options: with which it will be enqueued.
    """

    task: str
    args: str
    options: Options

    def to_json(self) -> str:
        """An element of what SQL's enqueue_many takes."""
        unique = {f"unique_{name}": value for name, value in self.options.to_unique()._asdict().items()}
        plain = self.options.to_sql()._asdict() | unique
        nested = {"args": self.args, "retry": plain.pop("retry"), "meta": plain.pop("meta")}  # JSON text already
        fields = [f'"{name}":{dumps(value)}' for name, value in {"task": self.task, **plain}.items() if value is not None]
        fields += [f'"{name}":{text}' for name, text in nested.items() if text is not None]
        return "{" + ",".join(fields) + "}"
