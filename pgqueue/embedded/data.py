"""The data directory: made and kept by its user alone. One that somebody else has made is not used."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_IMODE
from typing import NamedTuple

import psutil

from .account import Account, name_of

OPEN_TO_OTHERS = 0o077
UNFINISHED = "unfinished"  # where initdb makes the data


class Postmaster(NamedTuple):
    """What postmaster.pid says.

    Attributes:
        pid: the first process of the server.
        sockets: the directory of its socket.
        is_ready: whether it accepts connections.
    """

    pid: int
    sockets: Path
    is_ready: bool


def own(given: Path, account: Account) -> Path:
    """Make the data directory, or check that nobody else has.

    Only an empty one is handed to the server's user: the path may be that of a directory which serves something else.

    Args:
        given: the absolute path, which may be a symbolic link.
        account: the server's user.

    Returns:
        The path without symbolic links.

    Raises:
        ValueError: somebody else has made it or may write to it, or it has other contents.
    """
    if given.is_symlink():
        _refuse_others(given.lstat().st_uid, account, "the link")
    path = given.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    with locked(path) as directory:  # another process may be filling it
        found = os.fstat(directory)
        _refuse_others(found.st_uid, account, "the directory")
        names = os.listdir(directory)
        if "PG_VERSION" not in names:
            if names and UNFINISHED not in names:
                raise ValueError("it is not empty, and holds no data of PostgreSQL; name another directory, or empty this one")
            if found.st_uid != account.uid:
                os.fchown(directory, account.uid, account.gid)
            os.fchmod(directory, 0o700)
        elif S_IMODE(found.st_mode) & OPEN_TO_OTHERS:
            raise ValueError("it is open to others; make it yours alone (chmod 700), if you trust what is in it")
    return path


def _refuse_others(uid: int, account: Account, what: str) -> None:
    if uid not in (os.geteuid(), account.uid):
        raise ValueError(f"{what} belongs to {name_of(uid)}, who could put anything into it; name another directory")


@contextmanager
def locked(path: Path) -> Iterator[int]:
    """The directory, alone among the processes that start or stop its server. The lock is its own: nobody could plant one."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield directory
    finally:
        os.close(directory)


def read(path: Path) -> Postmaster | None:
    """What postmaster.pid says, whether or not its server still runs; None if there is no such file, or none of a server."""
    try:
        lines = (path / "postmaster.pid").read_text().splitlines()
        return Postmaster(int(lines[0]), Path(lines[4]), len(lines) > 7 and lines[7].strip() == "ready")
    except (FileNotFoundError, IndexError, ValueError):
        return None


def postmaster(path: Path, account: Account) -> Postmaster | None:
    """The server that runs with this data; None if there is none. A file that was left behind may name any process."""
    found = read(path)
    return found if found and _is_server(found.pid, path, account) else None


def _is_server(pid: int, path: Path, account: Account) -> bool:
    try:
        process = psutil.Process(pid)
        return bool(process.uids().effective == account.uid and process.cwd() == str(path))
    except psutil.AccessDenied:  # of its directory, in a container without the right to look
        return True
    except (psutil.Error, ValueError):  # a single-user server writes its id as a negative number
        return False


def is_private(sockets: Path, account: Account) -> bool:
    """Whether only the server's user can reach its socket."""
    found = sockets.stat()
    return found.st_uid == account.uid and not S_IMODE(found.st_mode) & OPEN_TO_OTHERS
