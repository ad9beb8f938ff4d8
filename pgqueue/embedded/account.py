"""The user of the machine whose processes are the server: our own, or `pgserver` where we are root, which PostgreSQL refuses."""

import os
import pwd
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

FOR_ROOT = "pgserver"
_KEPT = ("PATH", "TZ", "LANG", "LC_ALL", "LC_COLLATE", "LC_CTYPE", "LC_MESSAGES", "LC_MONETARY", "LC_NUMERIC", "LC_TIME")


class Account(NamedTuple):
    """A user of the machine.

    Attributes:
        name, uid, gid: as in passwd.
    """

    name: str
    uid: int
    gid: int

    @property
    def is_ours(self) -> bool:
        """Whether this process runs as it."""
        return self.uid == os.geteuid()

    def options(self, directory: Path) -> dict[str, Any]:
        """Options of subprocess for a process of this user.

        It keeps none of root's groups, and none of our environment, which may hold passwords: whoever may read files of
        the server can read its environment.

        Args:
            directory: the current directory of the process; it is entered with our own rights.
        """
        options = {"cwd": directory, "umask": 0o077, "env": {name: os.environ[name] for name in _KEPT if name in os.environ}}
        return options if self.is_ours else options | {"user": self.uid, "group": self.gid, "extra_groups": ()}

    def may_enter(self, directory: Path) -> bool:
        """Whether this user can reach the files in a directory by their paths."""
        return self.is_ours or not subprocess.run(("test", "-x", directory), **self.options(Path("/"))).returncode


def account() -> Account:
    """The user whose processes the server's are. As root it makes the user `pgserver` unless there is one.

    Raises:
        ValueError: this user has no name on this machine.
    """
    uid = os.geteuid()
    try:
        found = pwd.getpwnam(FOR_ROOT) if uid == 0 else pwd.getpwuid(uid)
    except KeyError:
        if uid != 0:
            raise ValueError(f"user {uid} has no name on this machine, which PostgreSQL needs; add it to /etc/passwd") from None
        found = _made(FOR_ROOT)
    return Account(found.pw_name, found.pw_uid, found.pw_gid)


def name_of(uid: int) -> str:
    """The name of a user of the machine, for people."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _made(name: str) -> pwd.struct_passwd:
    command = ("useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", name)
    try:
        said = subprocess.run(command, capture_output=True, text=True).stderr.strip()
    except FileNotFoundError:
        said = "there is no useradd"
    try:
        return pwd.getpwnam(name)  # another process may have made it meanwhile
    except KeyError:
        raise ValueError(f"the server of root needs a user {name!r}, which could not be added; add it: {said}") from None
