"""`pgqueue` itself: the group of all commands, of which only the one that is asked for is imported."""

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from .commands import PANELS, Listed

PANEL_OF = {listed: panel for panel, commands in PANELS.items() for listed in commands}
LISTED = {listed.name: listed for listed in PANEL_OF}


@cache
def load(listed: Listed) -> Any:
    """Import a command."""
    with _uncollected():
        from .secrets import give_each, with_secrets

        module, _, attribute = listed.where.partition(":")
        found = getattr(import_module(f"{__package__}.{module}"), attribute)
    if isinstance(found, typer.Typer):
        give_each(found)
        return get_command(found)
    is_alias = attribute != listed.name.replace("-", "_")
    alone = typer.Typer(add_completion=False)
    alone.command(listed.name, help=listed.text if is_alias else None, rich_help_panel=PANEL_OF[listed])(with_secrets(found))
    return get_command(alone)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Modules stay until the end. To look through them for garbage, again and again, took an eighth of the time of a start."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()


class Commands(Mapping[str, Any]):
    """The commands by name; one is imported when it is looked up."""

    def __getitem__(self, name: str) -> Any:
        return load(LISTED[name])

    def __iter__(self) -> Iterator[str]:
        return iter(LISTED)

    def __len__(self) -> int:
        return len(LISTED)


class Root(TyperGroup):
    """All commands. The error of a wrong usage repeats what was typed, which may be a URL in the wrong place."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands: Any = Commands()

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, without an import."""
        return list(self.commands)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help, without an import of any command."""
        self._as_listed().format_help(ctx, formatter)

    def _as_listed(self) -> TyperGroup:
        commands: dict[str, Any] = {
            listed.name: TyperCommand(listed.name, help=listed.text, rich_help_panel=panel) for listed, panel in PANEL_OF.items()
        }
        given = {name: getattr(self, name) for name in ("params", "help", "epilog", "options_metavar", "rich_markup_mode")}
        return TyperGroup(name=self.name, commands=commands, **given)

    def make_context(self, *args: Any, **extra: Any) -> Any:
        with _without_secrets():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: Any) -> Any:
        from .secrets import begin

        begin(False)
        with _without_secrets():
            return super().invoke(ctx)


@contextmanager
def _without_secrets() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if hasattr(error, "format_message") and isinstance(getattr(error, "message", None), str):  # Typer's own copy of Click
            from .secrets import safe

            error.message = safe(error.message)  # type: ignore[attr-defined]
        raise
