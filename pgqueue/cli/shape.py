"""--wide and --columns: how a command shows its tables."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, get_type_hints

import typer

from .._checks import invalid
from ..errors import InvalidArgument
from .options import Columns, Wide

Command = Callable[..., Any]


@dataclass(slots=True)
class Shape:
    """How the tables of a command are shown.

    Attributes:
        wide: whether nothing is cut, and no column goes.
        columns: the columns that are shown, in this order; empty = as there is room.
        offered: the columns of the tables that were shown so far.
    """

    wide: bool = False
    columns: tuple[str, ...] = ()
    offered: set[str] = field(default_factory=set)

    def chosen(self, columns: Sequence[str]) -> list[str]:
        """Which of these columns of a table, or of these facts, are shown; none if it has none of those that were asked for."""
        if not self.columns:
            return list(columns)
        there = {shown_name(name): name for name in columns}
        self.offered |= there.keys()
        return [there[name] for name in self.columns if name in there]

    def check(self) -> None:
        """Refuse a column that no table of the command had, which depends on its other options.

        Raises:
            InvalidArgument: there is one.
        """
        for name in self.columns:
            if self.offered and name not in self.offered:
                raise invalid("columns", name, f"with these options there are: {', '.join(sorted(self.offered))}")


_shape = Shape()  # of the command that runs


def shape() -> Shape:
    """How the command that runs shows its tables."""
    return _shape


def shown_name(name: str) -> str:
    """The name of a column for people, in one word; it has its unit with its values."""
    return name.removesuffix("_seconds")


def tabular(*tables: Sequence[str]) -> Callable[[Command], Command]:
    """Give a command that prints tables --wide and --columns, which `print_table` and `print_facts` obey.

    Args:
        tables: the columns of each of its tables.
    """
    names = list(dict.fromkeys(shown_name(name) for columns in tables for name in columns))

    def with_shape(command: Command) -> Command:
        @wraps(command)
        def run(*context: typer.Context, wide: bool = False, columns: str | None = None, **given: Any) -> Any:
            if columns is not None and given.get("as_json"):
                raise InvalidArgument("columns: --json has all of them; leave one of the two out")
            with _shaped(Shape(wide, read_columns(columns, names))):
                return command(*context, **given)

        parameters = list(inspect.signature(command).parameters.values())
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        added = {"wide": (Wide, False), "columns": (Columns, None)}
        ours = [inspect.Parameter(name, kind, default=default, annotation=hint) for name, (hint, default) in added.items()]
        del run.__dict__["__wrapped__"]
        hints = get_type_hints(command, include_extras=True)
        run.__annotations__ = hints | {name: hint for name, (hint, _) in added.items()}
        run.__signature__ = inspect.Signature([*parameters, *ours])  # type: ignore[attr-defined]
        run.__tables__ = names  # type: ignore[attr-defined]
        return run

    return with_shape


def read_columns(text: str | None, names: Sequence[str]) -> tuple[str, ...]:
    """The columns in "id,state"; each once.

    Raises:
        InvalidArgument: one is not among `names`.
    """
    if text is None:
        return ()
    asked = [part.strip().lower().replace(" ", "_") for part in text.split(",")]
    for name in asked:
        if shown_name(name) not in names:
            raise invalid("columns", name, f"use some of {', '.join(names)}")
    return tuple(dict.fromkeys(map(shown_name, asked)))


@contextmanager
def _shaped(its: Shape) -> Iterator[None]:
    global _shape
    _shape = its
    try:
        yield
        its.check()
    finally:
        _shape = Shape()
