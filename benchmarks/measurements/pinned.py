"""A held snapshot: somebody's long transaction keeps every dead row in place while the worker goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import pairwise

from benchmarks.figures import Figures, rate
from benchmarks.run import Refill, Run
from benchmarks.worker import Sample

SECONDS = 90.0


async def measure(run: Run) -> Figures:
    """The same run twice, without and with the snapshot, on a queue that is refilled all the time."""
    free = await _drain(run, pinned=False)
    pinned = await _drain(run, pinned=True)
    thirds = [rate(third) for third in _thirds(pinned)]
    return {
        "jobs": pinned[-1].done - pinned[0].done,
        "seconds": pinned[-1].at - pinned[0].at,
        "jobs_per_second": rate(pinned),
        "first_third": thirds[0],
        "middle_third": thirds[1],
        "last_third": thirds[2],
        "last_to_middle": thirds[2] / thirds[1],
        "without_snapshot": rate(free),
        "kept": rate(pinned) / rate(free),
    }


async def _drain(run: Run, *, pinned: bool) -> list[Sample]:
    async with run.database() as database:
        with _snapshot(run, database) if pinned else nullcontext(), run.worker(database) as worker:
            async with run.system.producer(run.server.url(database)) as producer:
                refill = Refill(producer, worker)
                async with refill.running():
                    samples = await run.watch(worker, run.options.seconds or SECONDS)
                run.check(samples, run.finished(database, refill.enqueued))
    return samples


@contextmanager
def _snapshot(run: Run, database: str) -> Iterator[None]:
    """A REPEATABLE READ transaction that has taken its snapshot and then sits idle."""
    with run.server.connect(database) as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT count(*) FROM pg_class")
        yield
        connection.execute("ROLLBACK")


def _thirds(samples: Sequence[Sample]) -> list[Sequence[Sample]]:
    """The samples in three stretches of equal time that share their ends."""
    start, end = samples[0].at, samples[-1].at
    cuts = [start + (end - start) * part / 3 for part in range(4)]
    places = [max(i for i, sample in enumerate(samples) if sample.at <= cut) for cut in cuts]
    return [samples[a : b + 1] for a, b in pairwise(places)]
