"""What commands do not show: secrets, unless they are told to."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, get_type_hints

import typer
from typer.models import CommandInfo, TyperInfo

from .._text import harmless, one_line
from ..config import load_settings
from ..errors import ConfigurationError
from ..redact import Redactor

ShowSecrets = Annotated[bool, typer.Option("--show-secrets", help="Show passwords, tokens and the like as they are.")]
_redactor: Redactor | None = None  # of the command that runs; made when it prints something


def redactor() -> Redactor:
    """What replaces secrets in all that the command prints; as the environment and pyproject.toml say."""
    global _redactor
    if _redactor is None:
        try:
            names = load_settings().redact
        except ConfigurationError:  # which the command is about to tell
            names = None
        _redactor = Redactor(names)
    return _redactor


def begin(is_shown: bool) -> None:
    """Begin a command that shows secrets, or does not."""
    global _redactor
    _redactor = Redactor(()) if is_shown else None


def safe(text: str) -> str:
    """Text for a terminal in one line: without secrets, and nothing in it is obeyed, see `harmless`."""
    return one_line(redactor().text(text))


def safe_lines(text: str) -> str:
    """As `safe`, with its lines."""
    return harmless(redactor().text(text))


def named(name: str, value: Any) -> Any:
    """A value that is shown beside its name and not under it."""
    return redactor().value({name: value})[name]


def with_secrets(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command that prints JSON on request, and so shows jobs, the option --show-secrets; others stay as they are."""
    hints = get_type_hints(command, include_extras=True)
    if "as_json" not in hints:
        return command

    @wraps(command)
    def run(*context: typer.Context, show_secrets: bool = False, **given: Any) -> Any:
        begin(show_secrets)
        return command(*context, **given)

    parameters = list(inspect.signature(command).parameters.values())
    option = inspect.Parameter("show_secrets", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=False, annotation=ShowSecrets)
    del run.__dict__["__wrapped__"]
    run.__annotations__ = {**hints, "show_secrets": ShowSecrets}
    run.__signature__ = inspect.Signature([*parameters, option])  # type: ignore[attr-defined]
    return run


def give_each(group: typer.Typer) -> None:
    """`with_secrets` for the commands of a group."""
    commands: list[CommandInfo | TyperInfo] = [*group.registered_commands]
    if group.registered_callback is not None:
        commands.append(group.registered_callback)
    for info in commands:
        if info.callback is not None:
            info.callback = with_secrets(info.callback)
