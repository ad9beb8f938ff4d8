"""Hosts on one machine: network namespaces joined by a bridge, each with a name of its own. Needs root."""

import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from psycopg.conninfo import conninfo_to_dict, make_conninfo

CHECKOUT = Path(__file__).parents[2]
DATABASE = "10.77.0.1"
PORT = 5432


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def why_not() -> str | None:
    """Why there can be no such hosts here; None if there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    name = f"pgq{os.getpid()}probe"
    try:
        _ip("netns", "add", name)
        _ip("netns", "del", name)
        subprocess.run(["unshare", "--uts", "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        return f"the kernel allows no network namespaces: {error}"
    return None


class Hosts:
    """A host with the database, and others that reach it by its address.

    Args:
        url: of the test's database, on a unix socket.
        names: of the other hosts; at most 12 characters each.

    Attributes:
        url: of the database as the others reach it.
    """

    def __init__(self, url: str, names: list[str]) -> None:
        self._names = names
        self._prefix = f"pgq{os.getpid()}"
        self._socket = f"{conninfo_to_dict(url)['host']}/.s.PGSQL.{conninfo_to_dict(url).get('port', 5432)}"
        self._forwarder: subprocess.Popen[str] | None = None
        self.url = make_conninfo(url, host=DATABASE, port=PORT, sslmode="disable", gssencmode="disable")

    def __enter__(self) -> Self:
        try:
            self._build()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _build(self) -> None:
        self._add("database")
        self._in("database", "link", "add", "bridge", "type", "bridge")
        self._in("database", "addr", "add", f"{DATABASE}/24", "dev", "bridge")
        self._in("database", "link", "set", "bridge", "up")
        for number, name in enumerate(self._names, 2):
            self._add(name)
            _ip(
                "link",
                "add",
                f"to-{name}",
                "netns",
                self._netns("database"),
                "type",
                "veth",
                "peer",
                "name",
                "eth0",
                "netns",
                self._netns(name),
            )
            self._in(name, "addr", "add", f"10.77.0.{number}/24", "dev", "eth0")
            self._in(name, "link", "set", "eth0", "up")
            self._in("database", "link", "set", f"to-{name}", "up")
            self.join(name)
        command = [*self.inside("database"), sys.executable, "-m", "tests.faults.forward", DATABASE, str(PORT), self._socket]
        self._forwarder = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
        assert self._forwarder.stdout is not None
        assert self._forwarder.stdout.readline() == "ready\n"

    def _netns(self, name: str) -> str:
        return f"{self._prefix}{name}"

    def _add(self, name: str) -> None:
        _ip("netns", "add", self._netns(name))
        self._in(name, "link", "set", "lo", "up")

    def _in(self, name: str, *arguments: str) -> None:
        _ip("-n", self._netns(name), *arguments)

    def inside(self, name: str) -> list[str]:
        """What stands before a command that is to run on a host."""
        enter = f'hostname {name}; exec "$@"'
        return ["ip", "netns", "exec", self._netns(name), "unshare", "--uts", "sh", "-c", enter, "sh"]

    def cut_off(self, name: str) -> None:
        """What a host sends arrives nowhere, and nobody tells it."""
        self._in("database", "link", "set", f"to-{name}", "nomaster")

    def join(self, name: str) -> None:
        """It reaches the database, again."""
        self._in("database", "link", "set", f"to-{name}", "master", "bridge")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._forwarder is not None:
            self._forwarder.kill()
            self._forwarder.wait()
            assert self._forwarder.stdout is not None
            self._forwarder.stdout.close()
        for name in ("database", *self._names):
            subprocess.run(["ip", "netns", "del", self._netns(name)], check=False, capture_output=True)
