"""docs/cli.md is what the commands say."""

import re

from typer.main import get_command

from pgqueue.cli import cli
from tests.cli.reference import FILE, options_of, reference, walk


def test_the_reference_is_up_to_date() -> None:
    assert FILE.read_text() == reference(), "write it anew: python -m tests.cli.reference"


def test_each_command_has_a_section_that_names_each_of_its_options() -> None:
    """Found in the page by other means than those that have made it."""
    head, *sections = re.split(r"^### ", FILE.read_text(), flags=re.M)
    by_title = dict(section.split("\n", 1) for section in sections)
    panels = "".join(text for title, text in by_title.items() if not title.startswith("pgqueue "))
    for path, command in walk(get_command(cli)):
        if not path or path == ("monitor",):  # the same as top, and its section says so
            continue
        text = by_title[f"pgqueue {' '.join(path)}"]
        below = panels if "(#filter" in text else ""
        missing = [one.opts[0] for one in options_of(command) if f"`{one.opts[0]}" not in text + below]
        assert not missing, (path, missing)
    assert "`--database-url`" in head


def test_an_option_that_says_nothing_would_be_seen() -> None:
    silent = [(path, one.opts[0]) for path, command in walk(get_command(cli)) for one in options_of(command) if not one.help]
    assert silent == []


def test_the_exit_codes_are_those_of_the_help() -> None:
    epilog = get_command(cli).epilog or ""
    codes = re.findall(r"(\d) ", epilog.partition(": ")[2])
    said = FILE.read_text().partition("**Exit codes**: ")[2].partition("\n- ")[0]
    assert re.findall(r"(\d) ", said) == codes
