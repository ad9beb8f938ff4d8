"""The lines that a worker and its handlers log: whom they are about, and the summary of a minute."""

import asyncio
import io
import json
import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from pgqueue import JobContext, JobEvent, PgQueue, Retry
from pgqueue.logs.formats import AsJson
from pgqueue.worker.outcome import Outcome
from pgqueue.worker.summary import Summaries
from tests.waiting import auntil

from .conftest import burst

shop = logging.getLogger("shop")
FACTS = ("job_id", "task", "queue", "attempt")
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What is logged, as the JSON handler of a worker writes it."""
    stream, level = io.StringIO(), logging.root.level
    handler = logging.StreamHandler(stream)
    handler.setFormatter(AsJson())
    logging.root.addHandler(handler)
    logging.root.setLevel(logging.DEBUG)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.root.removeHandler(handler)
    logging.root.setLevel(level)


def named(lines: Lines, message: str) -> list[dict[str, Any]]:
    return [line for line in lines() if line["message"] == message]


async def test_what_handlers_log_names_their_jobs(async_app: PgQueue, lines: Lines) -> None:
    """On the event loop, side by side, in tasks and threads of handlers, in middleware and callbacks."""

    @async_app.around_execution
    async def around(ctx: JobContext) -> Any:
        shop.info("around")
        yield

    @async_app.task(queue="mail")
    async def on_loop(n: int) -> None:
        for _ in range(2):
            await asyncio.sleep(0.01)
            shop.info("said", extra={"n": n})
        await asyncio.gather(asyncio.create_task(aside(n)), asyncio.to_thread(shop.info, "said", extra={"n": n}))

    async def aside(n: int) -> None:
        shop.info("said", extra={"n": n})

    @async_app.task
    def in_thread(n: int) -> None:
        shop.info("said", extra={"n": n})

    @async_app.on_success
    def told(event: JobEvent) -> None:
        shop.info("told", extra={"n": event.job.args["n"]})

    jobs = {n: (on_loop if n % 2 else in_thread).enqueue(n) for n in range(6)}
    await burst(async_app)

    expected = {n: (job.id, "on_loop" if n % 2 else "in_thread", "mail" if n % 2 else "default", 1) for n, job in jobs.items()}
    said = [(line["n"], tuple(line[fact] for fact in FACTS)) for line in named(lines, "said") + named(lines, "told")]
    assert Counter(said) == {(n, facts): 5 if n % 2 else 2 for n, facts in expected.items()}
    assert {line["job_id"] for line in named(lines, "around")} == {job.id for job in jobs.values()}


async def test_each_line_of_a_worker_names_it_and_only_lines_about_a_job_name_one(async_app: PgQueue, lines: Lines) -> None:
    @async_app.task(retry=Retry(1, backoff="fixed", delay=0))
    async def fail() -> None:
        raise ValueError("no")

    job = fail.enqueue()
    await burst(async_app, name="mailer")

    about_job = [line for line in lines() if line["message"].startswith(f"job {job.id} ")]
    assert [(line["level"], line["message"].partition(" in ")[0], line["attempt"]) for line in about_job] == [
        ("WARNING", f"job {job.id} failed: ValueError('no')", 1),
        ("DEBUG", f"job {job.id} failed", 1),
        ("WARNING", f"job {job.id} failed: ValueError('no')", 2),
        ("DEBUG", f"job {job.id} failed", 2),
        ("ERROR", f"job {job.id} failed for good", 2),
    ]
    own = [line for line in lines() if line["logger"] == "pgqueue.worker"]
    assert {line["worker"] for line in own} == {"mailer"}
    assert len({line["worker_id"] for line in own}) == 1
    assert {line["message"] for line in own if "wake-ups" in line["message"]}  # by the thread of the heartbeat
    assert all(("job_id" in line) == (line in about_job) for line in own)
    shop.info("afterwards")
    assert not {"worker", "job_id"} & named(lines, "afterwards")[0].keys()


@pytest.fixture
def summaries() -> tuple[Summaries, Counter[str]]:
    """Of a worker that runs two jobs and has claimed one more."""
    slots: Any = SimpleNamespace(running={1: None, 2: None}, waiting=deque([3]), preparing={})
    counts = Counter[str]()
    return Summaries(counts, slots, ["mail"]), counts


def outcomes(*elapsed: float) -> list[Outcome]:
    job: Any = None
    return [Outcome(job, "succeeded", "", one) for one in elapsed]


def test_a_summary_is_about_the_time_since_the_last_one(summaries: tuple[Summaries, Counter[str]]) -> None:
    made, counts = summaries
    made._since -= 60
    counts.update({"succeeded": 1198, "failed": 2})
    made.durations.add(outcomes(0.1, *([0.01] * 1198)))
    made.durations.add(outcomes(3.5))
    first = made.take()
    assert str(first) == "2 failed, 1,198 succeeded in 60 s (20/s), mean 0.013 s, max 3.5 s; 2 running, 1 waiting"
    assert first.facts() | {"per_second": 20.0} == {
        "counts": {"succeeded": 1198, "failed": 2}, "per_second": 20.0, "mean_ms": 12.983, "max_ms": 3500.0, "running": 2,
        "waiting": 1,
    }  # fmt: skip
    made._since -= 60
    counts.update({"succeeded": 1})
    made.durations.add(outcomes(0.5))
    assert str(made.take()) == "1 succeeded in 60 s (0.0167/s), mean 0.5 s, max 0.5 s; 2 running, 1 waiting"
    made._since -= 60
    made.durations.add([])
    assert str(made.take()) == "no jobs in 60 s; 2 running, 1 waiting"


async def test_a_worker_logs_its_summary_once_a_minute(async_app: PgQueue, lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgqueue.worker.summary.EVERY", 0.05)
    told = threading.Event()

    @async_app.task
    async def work() -> None:
        await auntil(lambda: any("running" in line for line in lines()), "a summary")
        told.set()

    work.enqueue()
    await burst(async_app)
    line = next(line for line in lines() if "running" in line)
    assert (told.is_set(), line["level"], line["queues"]) == (True, "INFO", ["default"])
    assert line.keys() >= {"counts", "per_second", "mean_ms", "max_ms", "running", "waiting", "worker", "worker_id"}
    assert "job_id" not in line
