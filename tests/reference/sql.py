"""What the SQL files say: arguments of functions, and columns of the table `setting`."""

import re
from pathlib import Path
from typing import NamedTuple

SQL = Path(__file__).parents[2] / "sql"
_COLUMN = re.compile(
    r"^    (\w+) +(int|timestamptz) +(not null )?(?:default (\w+)(?:\(\))? ?)?(?:check \((.*?)\))?,?(?: +--.*)?$", re.M
)
_BETWEEN = re.compile(r"between (\d+) and (\d+)|>= (\d+)")


class Column(NamedTuple):
    """A column of the table `setting`; least and most are inclusive."""

    name: str
    default: int | None
    least: int
    most: int


def arguments_in(function: str) -> list[str]:
    """The names of the arguments of a function of sql/functions, such as enqueue/enqueue."""
    text = (SQL / "functions" / f"{function}.sql").read_text()
    name = function.rpartition("/")[2]
    signature = text.partition(f"create function {name}(")[2].partition(") returns")[0]
    return re.findall(r"(?:^|,)\s*(\w+)", re.sub(r"'[^']*'|\([^)]*\)", "", signature))


def setting_columns() -> list[Column]:
    """What an install can set, in the order of the table."""
    text = (SQL / "tables/install.sql").read_text().partition("create table setting (")[2].partition("\n);")[0]
    found = []
    for name, kind, _, default, check in _COLUMN.findall(text):
        if kind == "int":
            least, most, at_least = _BETWEEN.search(check).groups()  # type: ignore[union-attr]
            found.append(Column(name, int(default) if default else None, int(least or at_least), int(most or 2**31 - 1)))
    return found
