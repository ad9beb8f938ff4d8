"""A worker says what it does just now, even while its event loop is blocked."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from pgqueue import JobContext, PgQueue
from pgqueue.worker.frames import MOST, Stand, grouped
from pgqueue.worker.stacks import Room
from tests.looking import Look
from tests.waiting import auntil, until
from tests.worker.conftest import working
from tests.worker.process_jobs import slow
from tests.worker.processes import InProcess

LISTENS = "select count(*) from worker where wake_mode = 'notify'"
Stacks = dict[str, Any]


class Asking:
    """Asks the only worker, and reads its answer."""

    def __init__(self, look: Look) -> None:
        self.look = look

    def ask(self) -> None:
        self.look.value("select ask_stacks(id, 'ann') from worker where state = 'active'")

    def answer(self) -> Stacks:
        """Empty as long as there is none."""
        stacks: Stacks | None = self.look.value("select stacks from worker_stacks where answered_at > asked_at")
        return stacks or {}

    async def stacks(self) -> Stacks:
        self.ask()
        return await auntil(self.answer, "the answer of the worker")


@pytest.fixture
def asking(look: Look) -> Asking:
    return Asking(look)


def of_job(groups: list[Stacks], job_id: int) -> Stacks:
    (found,) = [group for group in groups if str(job_id) in group["jobs"]]
    return found


async def heard(look: Look) -> None:
    await auntil(lambda: look.value(LISTENS), "a worker that listens")


async def test_handlers_on_the_loop_and_in_threads_are_shown_with_their_jobs_and_lines(
    async_app: PgQueue, look: Look, asking: Asking
) -> None:
    may_end, may_return, started = threading.Event(), asyncio.Event(), threading.Semaphore(0)

    async def deeper() -> None:
        started.release()
        await may_return.wait()  # where it waits

    @async_app.task
    async def on_loop() -> None:
        await deeper()

    @async_app.task
    def in_thread(ctx: JobContext) -> None:
        started.release()
        may_end.wait(30)  # where it hangs

    waits, hangs = on_loop.enqueue(), in_thread.enqueue()
    async with working(async_app):
        await heard(look)
        for _ in range(2):
            await asyncio.to_thread(started.acquire, timeout=20)
        found = await asking.stacks()
        may_end.set()
        may_return.set()
    task, thread = of_job(found["tasks"], waits.id), of_job(found["threads"], hangs.id)
    codes = [frame["code"] for frame in task["frames"]]
    assert "await may_return.wait()  # where it waits" in codes
    assert codes.index("await deeper()") < codes.index("await may_return.wait()  # where it waits")
    assert "may_end.wait(30)  # where it hangs" in [frame["code"] for frame in thread["frames"]]
    assert found["pid"] == os.getpid()
    assert found["left_out"] == 0


async def test_a_worker_whose_loop_is_blocked_answers_and_shows_by_what(async_app: PgQueue, look: Look, connect: Any) -> None:
    """The question comes from another thread, because this test runs on the loop that is blocked."""
    asking, answers = Asking(Look(connect())), list[Stacks]()

    @async_app.task
    async def block() -> None:
        until(lambda: asking.look.value(LISTENS), "a worker that listens")
        asking.ask()
        answers.append(until(asking.answer, "an answer while the loop stands still"))

    job = block.enqueue()
    async with working(async_app):
        await auntil(lambda: answers, "the handler")
    loop = of_job(answers[0]["threads"], job.id)
    assert "block" in [frame["function"].rpartition(".")[2] for frame in loop["frames"]]
    assert loop["names"] == ["MainThread"]


async def test_a_handler_in_a_process_is_shown_from_inside(
    async_app: PgQueue, look: Look, asking: Asking, in_process: InProcess, tmp_path: Path
) -> None:
    job = in_process(async_app, slow).enqueue(mark=str(tmp_path / "mark"), seconds=30)
    async with working(async_app, grace=0.1):
        await heard(look)

        async def inside() -> Stacks | None:
            (process,) = (await asking.stacks())["processes"] or [{}]
            return process if "time.sleep(seconds)" in json.dumps(process.get("threads")) else None

        found = None
        async with asyncio.timeout(30):
            while found is None:
                found = await inside()
    assert found["job"] == str(job.id)
    assert found["pid"] != os.getpid()


async def test_secrets_in_lines_are_left_out_and_values_are_never_there(async_app: PgQueue, look: Look, asking: Asking) -> None:
    may_end = threading.Event()

    @async_app.task
    def careless(card: str) -> None:
        may_end.wait(30), dict(password="tops3cret")  # noqa: C408

    careless.enqueue(card="4111-value-of-a-variable")
    async with working(async_app):
        await auntil(lambda: look.count("running"), "the job")
        await heard(look)

        async def has_line() -> str:
            return json.dumps(await asking.stacks())

        text = await has_line()
        while "may_end.wait(30)" not in text:
            text = await has_line()
        may_end.set()
    assert 'dict(password=\\"[redacted]\\")' in text
    assert "tops3cret" not in text
    assert "4111-value" not in text


async def test_a_worker_that_hears_no_notification_answers_with_its_heartbeat(
    database_url: str, look: Look, asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgqueue.worker.liveness.hears", lambda *given: False)
    monkeypatch.setattr("pgqueue.worker.liveness.STACKS_WANTED", "what nobody sends")
    app = PgQueue(database_url, lease=1.5)
    app.task(name="nothing")(lambda: None)
    async with working(app):
        await auntil(
            lambda: look.value("select count(*) from worker where starts_with(wake_mode, 'polling')"), "a worker that polls"
        )
        assert (await asking.stacks())["threads"]
    await app.aclose()


async def test_a_heartbeat_measures_how_long_the_loop_was_blocked(database_url: str, look: Look) -> None:
    app, may_end = PgQueue(database_url, lease=1.5), threading.Event()

    @app.task
    async def block() -> None:
        until(lambda: worst() > 0.6, "a heartbeat that tells it")

    def worst() -> float:
        return float(look.value("select coalesce(max(loop_lag), 0) from worker"))

    job = block.enqueue()
    async with working(app):
        await auntil(lambda: look.state(job.id) == "succeeded", "the job")
        await auntil(lambda: worst() < 0.5, "a heartbeat of the loop that is free again")
        assert look.value("select memory from worker") > 10_000_000
    may_end.set()
    await app.aclose()


def test_those_that_stand_at_the_same_place_are_one_group_and_those_with_jobs_come_first() -> None:
    frame = {"file": "a.py", "line": 1, "function": "f", "code": ""}
    idle, busy = [frame], [{**frame, "line": 2}]
    found = grouped([Stand(f"t{n}", None, idle) for n in range(300)] + [Stand(f"s{n}", str(n), busy) for n in range(200)])  # type: ignore[arg-type]
    assert [(group["count"], len(group["names"]), len(group["jobs"])) for group in found] == [(200, 10, 100), (300, 10, 0)]


def test_an_answer_has_a_bound_and_says_what_is_left_out() -> None:
    room = Room(10_000)
    parts = [{"count": 3, "code": "x" * 1000} for _ in range(20)]
    assert len(room.fill(parts, 0.5)) == 4
    assert len(room.fill(parts, 1.0)) == 5
    assert room.left_out == 3 * (16 + 15)


async def test_a_deep_recursion_is_cut_at_its_inner_end(async_app: PgQueue, look: Look, asking: Asking) -> None:
    may_end, started = threading.Event(), threading.Event()

    def dive(depth: int) -> None:
        if depth:
            dive(depth - 1)
        else:
            started.set()
            may_end.wait(30)  # the bottom

    @async_app.task
    def deep() -> None:
        dive(300)

    job = deep.enqueue()
    async with working(async_app):
        await heard(look)
        await asyncio.to_thread(started.wait, 20)
        frames = of_job((await asking.stacks())["threads"], job.id)["frames"]
        may_end.set()
    assert len(frames) == MOST
    assert "may_end.wait(30)  # the bottom" in [frame["code"] for frame in frames[-5:]]


def test_a_signal_writes_the_stacks_of_a_process_that_runs_native_code() -> None:
    listens = "import time; from pgqueue.worker.stack_signal import listen_to_signal; listen_to_signal()"
    code = f"{listens}\ndef hang():\n    print('ready', flush=True)\n    time.sleep(60)\nhang()"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGUSR1)
        lines = [process.stderr.readline() for _ in range(2)]
        assert "in hang" in "".join(lines)
        assert process.poll() is None
    finally:
        process.kill()
        process.communicate()


BUSY = """
import json, threading, time
from pgqueue.worker.stack_signal import listen_to_signal
listen_to_signal()
def dive(depth):
    return depth and dive(depth - 1) + 1
def keep_busy():
    while True:
        dive(20), json.loads('{"a": [1, 2, 3]}')
for number in range(2):
    threading.Thread(target=keep_busy, name=f"busy{number}", daemon=True).start()
print("ready", flush=True)
while True:
    time.sleep(0.01)
"""


def test_a_signal_ends_no_process_whose_threads_run() -> None:
    """C code that reads the frames of a thread that runs reads freed memory: a few signals were enough to end the process."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            for _ in range(200):
                process.send_signal(signal.SIGUSR1)
                time.sleep(0.001)
            assert process.poll() is None
        finally:
            process.kill()
            process.communicate()
        log.seek(0)
        said = log.read()
    assert "in <module>" in said
    assert "Thread busy" in said
    assert "in keep_busy" in said
