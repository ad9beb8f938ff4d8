"""docs/cli.md, made from the commands themselves: python -m tests.cli.reference"""

import enum
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from typer.main import get_command

from pgqueue.cli import cli
from pgqueue.cli.commands import PANELS, Listed
from tests.reference.signatures import escaped, table

FILE = Path(__file__).parents[2] / "docs" / "cli.md"
MANY = 6  # commands with the same option: it stands in a table of its own, once
_KINDS: dict[Any, str] = {int: "number", list[int]: "numbers"}
OF_GROUPS = {"help", "install_completion", "show_completion"}  # what Typer adds
HEAD = """# Commands

Every command with its options, as `pgqueue COMMAND --help` says it too: this page is made from the commands.
`python -m pgqueue` is the same as `pgqueue`.

- **The database** is `--database-url`, else `PGQUEUE_DATABASE_URL`, else `database_url` in pyproject.toml; likewise the
  schema: see [settings](settings.md).
- **Output** is for people; with `--json` it is for programs, one object, or one on each line. Errors are one line on stderr.
- **Exit codes**: 0 done; 1 it failed; 2 bad input or set-up (usage, arguments, no database URL, not migrated); 3 no such job,
  workflow, schedule, operation or pool; 4 `dead --alert`. Others are said with their command.
- **A filter** is terms (`'queue:mail state:failed since:2h'`) or options: [filters](filters.md).
- **Options of a job**, what they mean and where else they may stand: [options](options.md).
"""
Command: TypeAlias = Any
Parameter: TypeAlias = Any


def reference() -> str:
    """The text of the page."""
    sections = "".join(_panel(panel, commands) for panel, commands in PANELS.items())
    return HEAD + _glance() + _shared() + sections


def walk(command: Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Command]]:
    """A command and all below it, each with the words that lead there."""
    yield path, command
    for name in getattr(command, "commands", {}):
        yield from walk(command.commands[name], (*path, name))


def options_of(command: Command) -> list[Parameter]:
    """The options of a command in the order of its help, but for those of every command."""
    return [one for one in command.params if one.param_type_name == "option" and not one.hidden and one.name not in OF_GROUPS]


def _glance() -> str:
    rows = [
        (panel, ", ".join(f"[{listed.name}](#{_anchor(listed.name)})" for listed in commands))
        for panel, commands in PANELS.items()
    ]
    return "\n" + table(("", "commands"), rows)


@cache
def _many() -> dict[tuple[str, ...], Parameter]:
    """The options that stand with the same words in many commands."""
    found = [one for _, command in walk(get_command(cli)) for one in options_of(command)]
    often = Counter(_identity(one) for one in found)
    return {_identity(one): one for one in sorted(found, key=_order) if often[_identity(one)] >= MANY}


def _identity(option: Parameter) -> tuple[str, ...]:
    return _row(option)


def _order(option: Parameter) -> str:
    return getattr(option, "rich_help_panel", None) or ""


def _shared() -> str:
    panels = dict.fromkeys(_order(one) for one in _many().values())
    parts = ["\n## Options of many commands\n\nThe commands below name these, and do not explain them again.\n"]
    for panel in panels:
        rows = [_row(one) for one in _many().values() if _order(one) == panel]
        title = f"\n### {panel}\n" if panel else ""
        parts.append(f"{title}\n{table(('option', 'value', 'default', ''), rows)}")
    return "".join(parts)


def _panel(panel: str, commands: tuple[Listed, ...]) -> str:
    parts = [f"\n## {panel}\n"]
    seen: dict[str, str] = {}
    for listed in commands:
        if listed.where in seen:
            parts.append(f"\n### pgqueue {listed.name}\n\n{_plain(listed.text)}\n")
            continue
        seen[listed.where] = listed.name
        command = get_command(cli).commands[listed.name]  # type: ignore[attr-defined]
        parts += [_command(path, below) for path, below in walk(command, (listed.name,))]
    return "".join(parts)


def _command(path: tuple[str, ...], command: Command) -> str:
    called = " ".join(path)
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    below = ", ".join(f"[{name}](#{_anchor(f'{called} {name}')})" for name in getattr(command, "commands", {}))
    own = [one for one in options_of(command) if _identity(one) not in _many()]
    parts = [f"\n### pgqueue {called}\n", _plain(command.help or "") + "\n", _usage(called, arguments, command)]
    if below:
        parts.append(f"Commands: {below}.\n")
    if arguments or own:
        parts.append(table(("", "value", "default", ""), [*map(_row, arguments), *map(_row, own)]))
    parts.append(_also(command))
    return "\n".join(part for part in parts if part)


def _usage(called: str, arguments: list[Parameter], command: Command) -> str:
    words = [f"pgqueue {called}", *map(_placed, arguments), *(["[OPTIONS]"] if options_of(command) else [])]
    if getattr(command, "commands", None):
        words.append("[COMMAND]" if command.invoke_without_command else "COMMAND")
    return "    " + " ".join(words) + "\n"


def _placed(argument: Parameter) -> str:
    name = (argument.metavar or argument.name.upper()).strip("[].") + ("…" if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _also(command: Command) -> str:
    """The options of the command that many have, by name; those of a panel as one."""
    shared = [one for one in options_of(command) if _identity(one) in _many()]
    names = [f"`{_spelled(one)}`" for one in shared if not _order(one)]
    names += [f"[{panel}](#{_slug(panel)})" for panel in dict.fromkeys(map(_order, shared)) if panel]
    return f"Also {', '.join(names)}.\n" if names else ""


def _row(one: Parameter) -> tuple[str, ...]:
    return f"`{_spelled(one)}`", _value(one), _default(one), one.help or ""


def _spelled(one: Parameter) -> str:
    if one.param_type_name == "argument":
        return _placed(one).strip("[]")
    return ", ".join((*one.opts, *one.secondary_opts))


def _value(one: Parameter) -> str:
    if one.param_type_name == "option" and one.is_flag:
        return ""
    kind = one.type_descriptor.annotation
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return ", ".join(f"`{member.value}`" for member in kind)
    name = one.metavar if one.param_type_name == "option" and one.metavar else _KINDS.get(kind, "")
    return " ".join(part for part in (name, _bounds(one), "…" if one.multiple else "") if part)


def _bounds(one: Parameter) -> str:
    given = one.type_descriptor.parameter_info
    if given.min is None:
        return ""
    return f"{given.min} or more" if given.max is None else f"{given.min} to {given.max}"


def _default(one: Parameter) -> str:
    if one.required:
        return "required"
    value = one.default.value if isinstance(one.default, enum.Enum) else one.default
    return "" if value is None or value is False or value in ("", [], ()) else f"`{value}`"


def _anchor(called: str) -> str:
    return _slug(f"pgqueue {called}")


def _slug(title: str) -> str:
    return "".join(one for one in title.lower().replace(" ", "-") if one.isalnum() or one in "-_")


def _plain(text: str) -> str:
    """The paragraphs of a help."""
    return "\n\n".join(map(escaped, text.split("\n\n")))


if __name__ == "__main__":
    FILE.write_text(reference())
