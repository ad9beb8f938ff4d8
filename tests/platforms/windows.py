"""A process that looks like one on Windows: `python -m tests.platforms.windows CODE` runs code in it.

The standard library and the packages that pgqueue uses are loaded before; pgqueue itself is loaded afterwards, without the
modules, functions and signals that Windows does not have. What it does not show: how those packages themselves behave there.
"""

import asyncio
import importlib
import os
import select
import signal
import sys
from collections.abc import Sequence
from typing import Any

MODULES = frozenset({"fcntl", "grp", "pwd", "pty", "resource", "termios", "tty", "uvloop"})
SIGNALS = ("ALRM", "CHLD", "CONT", "HUP", "KILL", "PIPE", "QUIT", "STOP", "TERM_", "TSTP", "USR1", "USR2", "WINCH")
FUNCTIONS = (
    "chown", "fchmod", "fork", "forkpty", "getegid", "geteuid", "getgid", "getloadavg", "getpgid", "getuid", "killpg", "nice",
    "register_at_fork", "sched_getaffinity", "setpgid", "setsid", "sysconf", "uname", "wait3", "wait4", "waitid",
)  # fmt: skip
LOADED = (
    "pgqueue.api.build", "pgqueue.cli.worker", "pgqueue.cli.root", "pgqueue.dashboard.build", "pgqueue.dev.session",
    "pgqueue.embedded.server", "pgqueue.http_worker.worker", "pgqueue.migrate", "pgqueue.pools.run",
    "pgqueue.supervisor.supervise", "pgqueue.testing", "pgqueue.worker", "pgqueue.worker.launch",
)  # fmt: skip


class Missing:
    """Finds no module of POSIX."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> None:
        """Refuse."""
        if name in MODULES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def _add_signal_handler(self: object, number: int, callback: object, *args: object) -> None:
    raise NotImplementedError  # as on Windows


def become_windows() -> None:
    """Load everything, and then take from it what Windows does not have."""
    for name in LOADED:
        importlib.import_module(name)
    for name in [name for name in sys.modules if name.partition(".")[0] in {"pgqueue", *MODULES}]:
        del sys.modules[name]
    finders: list[Any] = sys.meta_path
    finders.insert(0, Missing())
    gone: list[tuple[Any, str]] = [(os, name) for name in FUNCTIONS]
    gone += [(signal, f"SIG{name}") for name in SIGNALS] + [(select, "poll"), (select, "epoll")]
    for module, name in gone:
        if hasattr(module, name):
            delattr(module, name)
    loop: Any = asyncio.SelectorEventLoop
    loop.add_signal_handler = _add_signal_handler
    namespace: Any = asyncio
    namespace.ProactorEventLoop = type("ProactorEventLoop", (asyncio.SelectorEventLoop,), {})  # psycopg looks for it
    sys.platform = "win32"


if __name__ == "__main__":
    become_windows()
    exec(sys.argv[1], {"__name__": "windows"})
