"""Starting, joining and leaving a server. Everything that runs for it runs as its user."""

import fcntl
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil

from . import sockets
from .account import account, name_of
from .data import UNFINISHED, Postmaster, is_private, locked, own, postmaster, read
from .programs import programs

STARTED_WITHIN, STOPPED_WITHIN = 60.0, 60.0  # seconds
LOOK_EVERY = 0.005  # seconds
HERE = "/proc/self/cwd"  # the directory in which a process was started, even if it cannot reach it by its path
# Besides the modes of the directories, the server asks the kernel who connects: only its user and ours, as any role.
HBA = "local all,replication all peer map=embedded\n"
# The shell opens the log, and not we: with the rights of root it could be a link to any file.
_IN_BACKGROUND = '"$0" "$@" >> log 2>&1 & echo $!'


class Server:
    """A server and its data.

    Args:
        given: the absolute path of the data directory.
        version: of PostgreSQL.

    Raises:
        ConfigurationError: the programs are not installed.
        OSError, ValueError: the directory cannot be used; the message says why.
    """

    def __init__(self, given: Path, version: int) -> None:
        self._version, self._account = version, account()
        self._programs = programs(self._account, version)
        self._path = own(given, self._account)
        self._is_reached = self._account.may_enter(self._path)
        self._place = str(self._path) if self._is_reached else HERE
        if not Path(self._place).exists():
            raise ValueError(f"the server of root runs as {self._account.name!r}, which cannot reach it; name another directory")
        self._process: psutil.Process | None = None
        self._use: int | None = None  # PG_VERSION, with a shared lock as long as this process uses the server

    def join(self) -> str:
        """Start the server unless it runs; its URL."""
        with locked(self._path) as lock:
            self._make_data(lock)
            running = postmaster(self._path, self._account)
            running = self._ready(running.pid if running else self._start())
            if not is_private(running.sockets, self._account):
                raise ValueError(f"its server (process {running.pid}) runs with a socket that is open to others; stop it first")
            self._process = psutil.Process(running.pid)
            if self._use is None:
                self._use = os.open(self._path / "PG_VERSION", os.O_RDONLY | os.O_NOFOLLOW)
                fcntl.flock(self._use, fcntl.LOCK_SH)
        return f"postgresql://postgres:@/postgres?host={quote(str(running.sockets), safe='/')}"

    def leave(self) -> None:
        """Stop the server if no other process uses it."""
        if self._use is None:
            return
        try:
            with locked(self._path):
                fcntl.flock(self._use, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._stop()
        except BlockingIOError:  # others use it
            pass
        except FileNotFoundError:  # its data were removed
            self._signal(signal.SIGQUIT)
        finally:
            os.close(self._use)
            self._use = None

    def _make_data(self, lock: int) -> None:
        try:
            found = (self._path / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            self._initdb(lock)
            return
        if found != str(self._version):
            raise ValueError(f"it has data of PostgreSQL {found}, not {self._version}; name another directory")

    def _initdb(self, lock: int) -> None:
        """Make the data below their place: what a killed initdb leaves looks like data. It keeps the lock, if we are killed."""
        self._run("sh", "-c", 'rm -rf "$0" && mkdir "$0"', UNFINISHED)
        place = f"{self._place}/{UNFINISHED}" if self._is_reached else HERE
        # Without sync: a crash of the machine in this second would lose data that nobody has yet.
        command = (str(self._programs / "initdb"), "-D", place, "-U", "postgres", "-A", "peer", "-E", "utf8", "--no-sync")
        self._run(*command, cwd=self._path / UNFINISHED, pass_fds=(lock,))
        self._run("sh", "-c", 'mv "$0"/[!P]* . && mv "$0"/PG_VERSION . && rmdir "$0"', UNFINISHED)

    def _start(self) -> int:
        names = sorted({self._account.name, name_of(os.geteuid())})
        self._write("pg_hba.conf", HBA)
        self._write("pg_ident.conf", "".join(f"embedded {_quoted(name)} all\n" for name in names))
        if last := read(self._path):  # a killed server may have left its socket among the temporary files
            sockets.remove(last.sockets, self._account)
        place = sockets.choose(self._path, self._account, self._is_reached)
        settings = {"listen_addresses": "", "unix_socket_directories": place, "unix_socket_permissions": "0700", "port": 5432}
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        postgres = str(self._programs / "postgres")
        return int(self._run("/bin/sh", "-c", _IN_BACKGROUND, postgres, "-D", self._place, *words, start_new_session=True))

    def _ready(self, pid: int) -> Postmaster:
        """Wait until a server that is starting accepts connections."""
        deadline = time.monotonic() + STARTED_WITHIN
        while time.monotonic() < deadline and _runs(pid):
            found = postmaster(self._path, self._account)
            if found and found.is_ready and found.pid == pid:
                return found
            time.sleep(LOOK_EVERY)
        raise ValueError(f"its server does not start: {self._run('tail', '-n', '5', 'log')}")

    def _stop(self) -> None:
        running = postmaster(self._path, self._account)
        if running is None:
            return
        self._signal(signal.SIGINT)  # a fast shutdown
        deadline = time.monotonic() + STOPPED_WITHIN
        while postmaster(self._path, self._account):  # and not until the process is gone: nobody may fetch its exit code
            if time.monotonic() > deadline:
                self._signal(signal.SIGQUIT)
                return
            time.sleep(LOOK_EVERY)
        sockets.remove(running.sockets, self._account)

    def _signal(self, number: int) -> None:
        with suppress(psutil.Error):  # it has ended by itself
            assert self._process is not None
            self._process.send_signal(number)

    def _write(self, name: str, text: str) -> None:
        self._run("sh", "-c", 'cat > "$0"', name, given=text)

    def _run(self, *command: str, given: str = "", **more: Any) -> str:
        """Run a command as the server's user, in the data directory unless `more` says otherwise; what it prints."""
        options = {"text": True, "errors": "replace", **self._account.options(self._path), **more}
        done: subprocess.CompletedProcess[str] = subprocess.run(command, input=given, capture_output=True, **options)
        if done.returncode:
            raise ValueError(" ".join(done.stderr.split()) or f"{command[0]}: exit code {done.returncode}")
        return done.stdout.strip()


def _runs(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
