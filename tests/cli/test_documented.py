"""Each command that a page shows exists, with the options that it is shown with."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from pgqueue.cli import cli

ROOT = Path(__file__).parents[2]
PAGES = sorted(page for folder in (".", "docs", "sql", "benchmarks", "deploy") for page in (ROOT / folder).glob("*.md"))
INLINE = re.compile(r"`((?:python -m )?pgqueue [^`]+)`")
BLOCK = re.compile(r"^ *```(?:sh|console)\n(.*?)^ *```", re.M | re.S)
IN_BLOCK = re.compile(r"(?:^|[|;&(] *|\$ |^\w+=\S+ )((?:python -m )?pgqueue [^|;&#)\n]+)", re.M)
CONNECTIONS = {"results"}  # `pgqueue results` is the name under which one is seen in PostgreSQL
ROOT_COMMAND = get_command(cli)
USUAL = {"--help", "--version"}


def shown(text: str) -> Iterator[str]:
    """The commands in a page: in `code`, and in the lines of blocks for a shell."""
    yield from INLINE.findall(text)
    for block in BLOCK.findall(text):
        yield from IN_BLOCK.findall(block.replace("\\\n", " "))


def fault(line: str) -> str | None:
    """What is wrong with a command, if anything is."""
    words = shlex.split(line.replace("…", " ").removeprefix("python -m "))[1:]
    command: Any = ROOT_COMMAND
    while words and getattr(command, "commands", None) is not None:
        if words[0] not in command.commands:
            break
        command, words = command.commands[words[0]], words[1:]
    if command is ROOT_COMMAND and words and re.fullmatch("[a-z][a-z-]*", words[0]) and words[0] not in CONNECTIONS:
        return f"there is no command {words[0]}"
    known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)} | USUAL
    given = [word.partition("=")[0] for word in words if re.match(r"--[a-z]", word)]
    unknown = [name for name in given if name not in known]
    return f"{command.name} has no {', '.join(unknown)}" if unknown else None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_command_of_a_page_exists(page: Path) -> None:
    faults = [f"{line}: {wrong}" for line in shown(page.read_text()) if (wrong := fault(line))]
    assert faults == []


def test_wrong_commands_would_be_found() -> None:
    text = "`pgqueue retyr 5` `pgqueue limits set a --rat 5` `pgqueue jobs --queue mail`\n```sh\nx=1 pgqueue stats --fast\n```"
    assert [fault(line) for line in shown(text)] == [
        "there is no command retyr", "set has no --rat", None, "stats has no --fast"
    ]  # fmt: skip
    assert sum(len(list(shown(page.read_text()))) for page in PAGES) > 200
