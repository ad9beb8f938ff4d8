"""Structured logs."""

import fcntl
import io
import json
import logging
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pgqueue import logs
from pgqueue.logs import current
from pgqueue.logs.daily import DailyFile
from pgqueue.run import Run
from pgqueue.terms import Terms


@pytest.fixture(autouse=True)
def root() -> Iterator[logging.Logger]:
    """The root logger, as it was afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()  # or configure would close pytest's
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


def test_json_has_one_object_a_line_and_keeps_extra_fields(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(logs.Given(format="json"))
    logging.getLogger("shop").warning("paid %s €", 3, extra={"order": 17, "lines": ["a", "b"]})

    line = json.loads(capsys.readouterr().out)

    assert (line["level"], line["logger"], line["message"], line["order"], line["lines"]) == (
        "WARNING",
        "shop",
        "paid 3 €",
        17,
        ["a", "b"],
    )
    assert datetime.fromisoformat(line["timestamp"]).tzinfo is not None


def test_json_keeps_a_traceback_in_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(logs.Given(format="json"))
    try:
        raise ValueError("no")
    except ValueError:
        logging.getLogger("shop").exception("failed")

    (line,) = capsys.readouterr().out.splitlines()

    assert "ValueError: no" in json.loads(line)["exc_info"]


def test_the_console_shows_extra_fields(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(logs.Given(format="console"))
    logging.getLogger("shop").info("paid", extra={"order": 17})
    assert "paid  order=17" in capsys.readouterr().out


@pytest.mark.parametrize("format", ["json", "console"])
def test_a_reader_of_stdout_that_is_gone_ends_nobody(format: str) -> None:
    """Rich would raise SystemExit, in whatever a worker is about to do: it did not stop when it was told to."""
    code = (
        "import logging, sys; from pgqueue import logs; sys.stdin.readline(); "
        f"logs.configure(logs.Given(format={format!r})); logging.warning('first'); logging.warning('second'); "
        "print('it goes on', file=sys.stderr)"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], text=True, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.write("go\n")
        process.stdin.close()
        assert process.stderr.read().splitlines()[-1] == "it goes on"
    assert process.returncode == 0


def test_without_a_terminal_the_default_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(logs.Given())
    logging.getLogger("shop").info("paid")
    assert json.loads(capsys.readouterr().out)["message"] == "paid"


def test_the_level_is_respected(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(logs.Given(level="error"))
    logging.getLogger("shop").warning("paid")
    assert capsys.readouterr().out == ""


def test_the_configuration_of_an_app_is_kept(root: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(logs.Given(format="json"))
    logs.reconfigure(logs.Given("warning", "json"))
    logging.getLogger("shop").info("paid")
    own = logging.NullHandler()
    root.handlers[:] = [own]
    logs.reconfigure(logs.Given("info", "json"))
    assert (capsys.readouterr().out, root.handlers, root.level) == ("", [own], logging.WARNING)


# Secrets, and values that misbehave

SECRET = "hunter2"  # by its name, because a traceback quotes the source


@dataclass
class Card:
    cvv: str
    holder: str = "ada"


class Rude:
    """Its text raises what ends programs."""

    def __str__(self) -> str:
        raise KeyboardInterrupt("password=hunter2")

    __repr__ = __str__


@pytest.mark.parametrize("format", ["json", "console"])
def test_no_secret_is_in_a_line(format: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(logs.Given(format=format, redact=("+iban",)))
    extra = {"api_key": "hunter2", "given": {"iban": "hunter2", "n": 1}, "card": Card("hunter2"), "url": "http://a:hunter2@b"}
    try:
        raise ValueError(f"password='{SECRET}'")
    except ValueError:
        logging.getLogger("shop").exception("token=%s", SECRET, extra=extra, stack_info=True)
    logging.getLogger("shop").warning({"secret": "hunter2", "n": 1})
    logging.getLogger("shop").warning("login with %(token)s", {"token": "hunter2"})
    out = capsys.readouterr().out
    assert ("hunter2" in out, out.count("[redacted]") >= 8, "ada" in out) == (False, True, True)


@pytest.mark.parametrize("format", ["json", "console"])
def test_a_value_that_raises_fails_nobody_and_is_named(format: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(logs.Given(format=format, redact=("+iban",)))
    shop = logging.getLogger("shop")
    shop.warning("iban=hunter2 %s", Rude())
    shop.warning("paid", extra={"who": Rude()})
    shop.warning("paid %s %s", 1)
    shop.warning(Rude())
    shop.warning("half \ud800", extra={"more": ["\ud800"], "nul": "\x00"})
    out = capsys.readouterr().out
    assert out.count("cannot be formatted") == 4
    assert ("hunter2" in out, "half ?" in out) == (False, True)


def test_a_line_is_bounded(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(logs.Given(format="json"))
    logging.getLogger("shop").warning("x" * 10_000_000, extra={"more": "y" * 10_000_000})
    line = json.loads(capsys.readouterr().out)
    assert [len(line[name]) for name in ("message", "more")] == [8026, 8026]
    assert line["more"].endswith("… (10,000,000 characters)")


class Wordy:
    """Has a long text."""

    def __str__(self) -> str:
        return "z" * 10_000_000

    __repr__ = __str__


@pytest.mark.parametrize("format", ["json", "console"])
def test_no_text_in_a_line_is_longer_wherever_it_is(format: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(logs.Given(format=format, redact=()))
    shop = logging.getLogger("shop")
    shop.warning("paid", extra={"more": {"lines": ["y" * 10_000_000]}, "who": Wordy()})
    shop.warning({"more": "y" * 10_000_000})
    assert len(capsys.readouterr().out) < 40_000


def test_json_has_no_numbers_that_json_has_not(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(logs.Given(format="json"))
    logging.getLogger("shop").warning("mean", extra={"mean": float("nan"), "all": [float("inf"), 1.5]})

    def refuse(number: str) -> None:
        raise ValueError(number)

    line = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert (line["mean"], line["all"]) == ("nan", ["inf", 1.5])


def test_other_handlers_get_the_record_as_it_was(capsys: pytest.CaptureFixture[str], root: logging.Logger) -> None:
    seen: list[logging.LogRecord] = []

    class Other(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record)

    logs.configure(logs.Given(format="json"))
    root.addHandler(Other())
    token = current.job.set(a_run())
    try:
        logging.getLogger("shop").warning("pwd=%s", "hunter2", extra={"jwt": "hunter2"})
    finally:
        current.job.reset(token)
    assert json.loads(capsys.readouterr().out)["job_id"] == 17
    assert (seen[0].getMessage(), seen[0].__dict__["jwt"], hasattr(seen[0], "job_id")) == ("pwd=hunter2", "hunter2", False)


# Whom a line is about


def a_run() -> Run:
    at = datetime(2030, 1, 31)
    run = Run("t", 17, "mail", "send", "{}", 2, 4, 0, at, at, None)
    trace = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "request_id": "r-1"}
    run.terms = Terms("{}", trace=trace)
    return run


def test_a_line_carries_worker_and_job_and_the_caller_has_the_last_word(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(logs.Given(format="json"))
    current.set_worker(lambda: ("uuid", "mailer"))
    current.set_install("tenant_a")
    token = current.job.set(a_run())
    try:
        logging.getLogger("shop").warning("paid", extra={"queue": "till"})
    finally:
        current.job.reset(token)
        current.set_worker(None)
        current.set_install(None)
    logging.getLogger("shop").warning("later")
    line, later = map(json.loads, capsys.readouterr().out.splitlines())
    facts = {"worker": "mailer", "worker_id": "uuid", "job_id": 17, "task": "send", "attempt": 2, "request_id": "r-1"}
    facts["install"] = "tenant_a"
    assert line.items() >= {**facts, "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "queue": "till"}.items()
    assert not later.keys() & {*facts, "queue", "trace_id"}


# A stream that fails


def test_a_full_disk_is_told_once_and_what_is_lost_is_counted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, root: logging.Logger
) -> None:
    logs.configure(logs.Given(format="json"))
    handler = root.handlers[0]
    assert isinstance(handler, logging.StreamHandler)

    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    free = handler.setStream(Full())
    for _ in range(3):
        logging.getLogger("shop").warning("lost")
    handler.setStream(free)
    logging.getLogger("shop").warning("written")
    out, err = capsys.readouterr()
    assert err == "pgqueue: the log cannot be written: [Errno 28] No space left on device\n"
    assert [json.loads(line)["message"] for line in out.splitlines()] == ["written", "3 lines of this log could not be written"]


# The daily file

MIDNIGHT = datetime(2030, 2, 1, tzinfo=UTC).timestamp()


@pytest.fixture
def write(tmp_path: Path) -> Iterator[Callable[[int, str, float], None]]:
    """Writes a line at some seconds from midnight, by one of several handlers, as if each were in a process of its own."""
    handlers: dict[int, DailyFile] = {}

    def write(number: int, text: str, at: float) -> None:
        if number not in handlers:
            handlers[number] = DailyFile(str(tmp_path / "w[0].log"))
        record = logging.makeLogRecord({"msg": text, "created": MIDNIGHT + at})
        handlers[number].handle(record)
        os.utime(tmp_path / "w[0].log", (MIDNIGHT + at,) * 2)

    yield write
    for handler in handlers.values():
        handler.close()


def files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text().replace("\n", " ") for path in sorted(folder.iterdir())}


def test_the_first_line_after_midnight_renames_the_file_for_all_who_write_to_it(
    tmp_path: Path, write: Callable[[int, str, float], None]
) -> None:
    for number in (1, 2, 3):
        write(number, f"a{number}", -5)
    write(1, "b1", 1)
    write(2, "b2", 2)
    write(1, "b3", 3)
    assert files(tmp_path) == {"w[0].log": "b1 b2 b3 ", "w[0].log.2030-01-31": "a1 a2 a3 "}
    write(3, "c3", 86_400 * 40)  # it was silent for longer than files are kept
    assert files(tmp_path) == {"w[0].log": "c3 ", "w[0].log.2030-01-31": "a1 a2 a3 ", "w[0].log.2030-02-01": "b1 b2 b3 "}


def test_a_file_of_today_is_not_renamed_by_who_was_silent_and_a_clock_that_was_set_back_overwrites_nothing(
    tmp_path: Path, write: Callable[[int, str, float], None]
) -> None:
    write(1, "a", -5)
    write(2, "b", 5)
    (tmp_path / "w[0].log.2030-01-31").unlink()
    write(1, "c", 6)
    assert files(tmp_path) == {"w[0].log": "b c "}
    (tmp_path / "w[0].log.2030-02-01").write_text("there")
    write(3, "d", 86_400)
    assert files(tmp_path) == {"w[0].log": "b c d ", "w[0].log.2030-02-01": "there"}


def test_thirty_files_are_kept(tmp_path: Path, write: Callable[[int, str, float], None]) -> None:
    for day in range(1, 36):
        (tmp_path / f"w[0].log.2029-01-{day:02}").touch()
    (tmp_path / "w[0].log.old").touch()
    write(1, "a", -5)
    write(1, "b", 5)
    kept = files(tmp_path)
    assert (len(kept), "w[0].log.2029-01-06" in kept, "w[0].log.2029-01-07" in kept) == (32, False, True)


def test_a_file_that_somebody_keeps_locked_holds_no_worker_up(tmp_path: Path, write: Callable[[int, str, float], None]) -> None:
    write(1, "a", -5)
    with (tmp_path / "w[0].log").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        began = time.monotonic()
        write(1, "b", 5)
        write(1, "c", 6)
        assert time.monotonic() - began < 5
    write(1, "d", 7)
    assert files(tmp_path) == {"w[0].log": "a b c d "}  # until the next midnight
    write(1, "e", 86_401)
    assert files(tmp_path) == {"w[0].log": "e ", "w[0].log.2030-02-01": "a b c d "}


def test_many_processes_share_a_file_over_midnight(tmp_path: Path) -> None:
    """Each line is there once, and whole."""
    code = (
        "import sys, logging, time\nfrom pgqueue.logs.daily import DailyFile\n"
        "file = DailyFile(sys.argv[1])\nnow = time.time()\n"
        "for n in range(200):\n"
        "    created = now + 86_400 * (n // 100)\n"
        "    file.handle(logging.makeLogRecord({'msg': f'{n // 100} {n} ' + 'x' * 9_000, 'created': created}))\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "w.log")]) for _ in range(2)]
    assert [process.wait(60) for process in running] == [0] * 2
    lines = [line.split() for path in tmp_path.iterdir() for line in path.read_text().splitlines()]
    assert Counter((day, n) for day, n, text in lines if len(text) == 9_000) == {(str(n // 100), str(n)): 2 for n in range(200)}
