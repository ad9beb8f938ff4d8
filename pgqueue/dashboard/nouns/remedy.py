"""The part of a remedy that can be pasted into psql or a shell."""

import re

_SQL = re.compile(
    r"(?:alter|analyze|create|drop|reindex|revoke|rollback prepared|select|vacuum)\b"
    r"|set [a-z_]+ (?:to|=)|grant (?!.* the role of )"
)
# Names of users are in quotes, and what stands in quotes neither begins a command nor ends it.
_WORDS = r"(?:'[^']*'|\\.|[^'\\\n])"
_SHELL = re.compile(rf"(?:[^'\n]*?: )??(pgqueue [a-z]{_WORDS}*?)(?:[;,] (?:or|if|else) [^'\n]*)?")


def command_of(remedy: str) -> str | None:
    """A statement of SQL or a command within a remedy of doctor; None if there is none, and it is only to be read."""
    if _SQL.match(remedy):
        return remedy
    found = _SHELL.fullmatch(remedy)
    return found and found[1]
