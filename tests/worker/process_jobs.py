"""Handlers that tests run in processes, which import this module."""

import logging
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pgqueue import Cancel, JobContext, PgQueue, RateLimited, RetryIn, Snooze
from tests.worker.raised import throw

_WAIT = "import time; time.sleep(60)"
app = PgQueue("postgresql://nobody@localhost:1/nothing", schema="elsewhere", max_result_bytes=7_000_000)


class Odd(Exception):
    """Raised in a process; its class never leaves it."""


@app.task(executor="process")
def say_twice(ctx: JobContext) -> None:
    """Two log lines."""
    ctx.log("one", number=1)
    ctx.log("two", level="error")


@app.task(executor="process", log=True)
def log_twice() -> None:
    """Two lines of standard logging."""
    logging.getLogger("shop").warning("first")
    logging.getLogger("shop").error("second")


@app.task(executor="process")
def where() -> list[int]:
    """The process that runs it, and its parent."""
    return [os.getpid(), os.getppid()]


@app.task(executor="process")
def shout(size: int) -> None:
    """Raises a message of so many characters."""
    raise KeyError("x" * size)


@app.task(executor="process")
def fail_because() -> None:
    """Raises an exception that has a cause."""
    try:
        raise KeyError("a")
    except KeyError as error:
        raise Odd("b") from error


@app.task(executor="process")
def echo(ctx: JobContext, value: Any, *, times: int = 1) -> list[Any]:
    """What arrived."""
    return [[value] * times, ctx.id, ctx.task, ctx.attempt, ctx.meta, ctx.args, ctx.run_at.tzinfo is not None, str(ctx.token)]


@app.task(executor="process")
def look_around(ctx: JobContext) -> None:
    """Asks for what is not there in a process."""
    ctx.parents["three"]


@app.task(executor="process")
def answer(kind: str) -> Any:
    """Each thing that a handler may return."""
    return {"snooze": Snooze(60), "retry": RetryIn(60, "later"), "cancel": Cancel("no"), "none": None, "set": {1}}[kind]


@app.task(executor="process")
def fail(kind: str) -> None:
    """Each thing that a handler may raise."""
    if kind == "exit":
        sys.exit(3)
    raise Odd(f"of {kind} \x00")


@app.task(executor="process")
def meet(key: str | None) -> None:
    """Meets somebody else's rate limit."""
    raise RateLimited(datetime.now(UTC) + timedelta(days=1), key)


@app.task(executor="process")
def die(ctx: JobContext, how: int) -> str:
    """Takes its process with it at the first attempt: an exit code, or minus a signal."""
    if ctx.attempt > 1:
        return "alive"
    if how < 0:
        os.kill(os.getpid(), -how)
    os._exit(how)


@app.task(executor="process")
def slow(mark: str, seconds: float) -> str:
    """Says where it runs, and that it came to its end."""
    Path(mark).write_text(str(os.getpid()))
    time.sleep(seconds)
    Path(mark).write_text("ended")
    return "ended"


@app.task(executor="process")
def program(mark: str, seconds: float) -> int:
    """Waits for a program; says which."""
    running = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({seconds})"])
    Path(mark).write_text(str(running.pid))
    return running.wait()


@app.task(executor="process")
def family(mark: str, seconds: float) -> int:
    """Waits for a program in a session of its own, which has started another one in a session of its own; says which."""
    child = f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {_WAIT!r}], start_new_session=True).pid)"
    command = f"{child}; sys.stdout.flush(); import time; time.sleep({seconds})"
    running = subprocess.Popen([sys.executable, "-c", command], start_new_session=True, stdout=subprocess.PIPE)
    assert running.stdout is not None
    inner = running.stdout.readline().decode().strip()
    Path(mark).write_text(f"{os.getpid()} {running.pid} {inner}")
    return running.wait()


@app.task(executor="process")
def leave(mark: str) -> None:
    """Leaves a program behind that has a session of its own."""
    program = subprocess.Popen([sys.executable, "-c", _WAIT], start_new_session=True)
    Path(mark).write_text(str(program.pid))


@app.task(executor="process")
def time_left(ctx: JobContext) -> float | None:
    """How long it may take."""
    return ctx.time_left()


@app.task(executor="process")
def deaf(mark: str) -> int:
    """Sends itself what a terminal sends; the exit code of a program that it started and that got the same."""
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)
    program = subprocess.Popen([sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"], stdout=subprocess.PIPE)
    assert program.stdout is not None
    program.stdout.readline()
    program.terminate()
    return program.wait(20)


@app.task(executor="process")
def settings() -> list[Any]:
    """The database that the app of this process would use."""
    return [app.url, app.settings.schema_name]


class Reports:
    """A function in a class is found, too."""

    @staticmethod
    @app.task(executor="process")
    def build() -> str:
        """Built."""
        return "built"


@app.task(executor="process")
def throw_kind(kind: str) -> None:
    """Raises what no Exception is, and worse."""
    throw(kind)


@app.task(executor="process")
def patient(ctx: JobContext, mark: str) -> str:
    """Says where it runs, and works until it is asked to stop, whatever its code raises."""
    Path(mark).write_text(str(os.getpid()))
    while not ctx.should_cancel():
        time.sleep(0.005)
    try:
        ctx.raise_if_cancelled()
    except Exception:
        return "went on"
    return "was not asked"
