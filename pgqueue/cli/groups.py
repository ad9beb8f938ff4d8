"""Groups of commands under one name: `pgqueue limits set`, `pgqueue schedules set`."""

from typing import Any, ClassVar

from typer.core import TyperGroup

from ..errors import InvalidArgument
from .secrets import safe
from .shape import Shape, shape


class Commands(TyperGroup):
    """Commands; for another word in place of a command, the error names the command that shows one row.

    Attributes:
        one: what shows one row.
    """

    one: ClassVar[str]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and self.get_command(ctx, args[0]) is None:
            there = ", ".join(self.list_commands(ctx))
            ctx.fail(f"No such command {safe(args[0])!r}; there are: {there}. To show {self.one}")
        return super().resolve_command(ctx, args)


def refuse_options_before(group: str, command: str, database_url: str | None, schema: str | None, as_json: bool) -> None:
    """Refuse options of a group that stand before one of its commands, which would not see them.

    Raises:
        InvalidArgument: one is given.
    """
    if database_url is not None or schema is not None or as_json or shape() != Shape():
        raise InvalidArgument(f"options: put them after the command: pgqueue {group} {command} … --schema NAME")
