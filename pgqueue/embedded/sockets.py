"""The directory of the server's socket: always closed to other users, with a path that is short enough for a socket."""

import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path

from .account import Account

LONGEST = 80  # bytes; a socket's path may have 104 to 108, and its name has up to 21
PREFIX = "pgqueue-"
_PLAIN = re.compile(r"/[\w./+-]+", re.ASCII)  # the setting is a list, and the URL has it, too


def fits(directory: Path) -> bool:
    """Whether a socket can stand in this directory."""
    return len(str(directory)) <= LONGEST and _PLAIN.fullmatch(str(directory)) is not None


def choose(data: Path, account: Account, is_reached: bool) -> Path:
    """The data directory where that is possible, otherwise a new one among the temporary files, with a name nobody can know.

    Args:
        data: the data directory.
        account: the server's user.
        is_reached: whether that user can reach it by its path.

    Raises:
        ValueError: there is no place for a directory.
    """
    if is_reached and fits(data):
        return data
    for place in (tempfile.gettempdir(), "/tmp"):
        if fits(Path(place, "x" * 16)) and account.may_enter(Path(place)):
            made = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))  # 0700
            if not account.is_ours:
                os.lchown(made, account.uid, account.gid)  # in a directory of somebody else it may have become a link
            return made
    raise ValueError("its path is too long for a socket, and so is that of the temporary files; set TMPDIR to a short one")


def remove(directory: Path, account: Account) -> None:
    """Remove a directory that `choose` has made, with what a killed server has left in it; leave any other alone."""
    with suppress(OSError):
        if directory.name.startswith(PREFIX) and directory.lstat().st_uid == account.uid:
            for name in (".s.PGSQL.5432", ".s.PGSQL.5432.lock"):
                (directory / name).unlink(missing_ok=True)
            directory.rmdir()
