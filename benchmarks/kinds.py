"""The benchmarks by name: how each is measured, what its table shows, what the report says about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from benchmarks.columns import ALONE, COSTS, CRASH, KILL, LIMITS, PERCENTILES, PINNED, RATE, SERVER, SHARES, Column
from benchmarks.figures import Figures
from benchmarks.measurements import (
    backlog,
    dashboards,
    enqueue,
    latency,
    limits,
    memory,
    observers,
    pinned,
    processes,
    promises,
    recovery,
    releases,
    schedules,
    server,
    shares,
    throughput,
    together,
    workflows,
)
from benchmarks.options import Handler, Options
from benchmarks.run import Run


@dataclass(frozen=True)
class Kind:
    """One benchmark. The first column is its headline; systems are compared with pgqueue by it."""

    name: str
    title: str
    text: str
    measure: Callable[[Run], Awaitable[Figures]]
    columns: tuple[Column, ...]
    adjust: Callable[[Options], Options] = lambda options: options

    @property
    def headline(self) -> Column:
        """The figure that counts."""
        return self.columns[0]


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "throughput",
            "Draining a full queue",
            "No-op async jobs (in Celery, Dramatiq and RQ plain functions), one worker process: steady work after the warm-up,"
            " ten seconds unless `--seconds` says otherwise, or until the queue is all but empty.",
            throughput.measure,
            (RATE, *COSTS),
        ),
        Kind(
            "processes",
            "Draining with two worker processes",
            "As before, with two worker processes on the same machine; and with one directly before.",
            processes.measure,
            (RATE, *ALONE, *COSTS),
            lambda options: replace(options, processes=max(2, options.processes)),
        ),
        Kind(
            "sync",
            "Draining with thread handlers",
            "As the first, with no-op handlers that run in threads.",
            throughput.measure,
            (RATE, *COSTS),
            lambda options: replace(options, handler=Handler.SYNC),
        ),
        Kind(
            "together",
            "Enqueueing and working at once",
            "One producer enqueues batches of 1,000 and pauses while 20,000 jobs wait; one worker drains.",
            together.measure,
            (RATE, *COSTS),
        ),
        Kind(
            "latency",
            "Latency of an idle worker",
            "200 single enqueues a second; from before the enqueue call to the first line of the handler.",
            latency.measure,
            PERCENTILES,
        ),
        Kind(
            "enqueue",
            "Enqueueing alone",
            "Batches of 1,000 from one connection (enqueue_select: a million rows in one statement); single calls, beside plain"
            " INSERTs of the same row. The rows named after a connection are pgqueue inside the application's transaction on it,"
            " and that INSERT by hand on the same connection, each with its commit.",
            enqueue.measure,
            (
                RATE,
                Column("single_p50_ms", "single p50 ms", 3),
                Column("insert_p50_ms", "plain INSERT p50 ms", 3),
                Column("single_to_insert", "single / INSERT", 2),
            ),
        ),
        Kind(
            "workflows",
            "Draining workflows",
            "As many no-op jobs as plain ones (pgqueue), in workflows: chains of two, chords of 100 and of 10,000, small graphs"
            " of ten, all in the queue at once; and plain jobs in a database where ten workflows of 10,000 wait.",
            workflows.measure,
            (RATE, Column("wal_bytes_per_job", "WAL bytes/job"), Column("peak_rss_mib", "worker MiB", 1)),
        ),
        Kind(
            "releases",
            "Releasing nodes",
            "How much later the second node of a chain starts after the first than a plain job after its enqueueing, on an idle"
            " worker; the finish that releases 10,000 children; the finishes of 1,000 of the 10,000 parents of one child, and how"
            " many times that of 1,000 of 1,000 parents it is.",
            releases.measure,
            (
                Column("added_p50_ms", "added p50 ms", 2),
                Column("added_p99_ms", "added p99 ms", 2),
                Column("release_p50_ms", "release p50 ms", 2),
                Column("plain_p50_ms", "plain p50 ms", 2),
                Column("fan_out_ms", "10,000 children ms"),
                Column("fan_in_ms", "1,000 of 10,000 parents ms", 1),
                Column("fan_in_growth", "times 1,000 of 1,000", 2),
            ),
        ),
        Kind(
            "pinned",
            "A held snapshot",
            "Another session holds a REPEATABLE READ snapshot all the time; the queue is refilled.",
            pinned.measure,
            PINNED,
        ),
        Kind(
            "recovery-kill",
            "Recovery of the jobs of a killed worker",
            promises.KILL,
            recovery.kill,
            KILL,
            lambda options: replace(options, repeat=1),
        ),
        Kind(
            "recovery-crash",
            "Recovery from a crash of the server",
            promises.CRASH,
            recovery.crash,
            CRASH,
            lambda options: replace(options, repeat=1),
        ),
        Kind(
            "limits",
            "Draining jobs with limits",
            "As many no-op jobs as plain ones (pgqueue), with limits far above the load: one key; 100 keys; 100 keys beside 4,900"
            " that are saturated, with jobs that wait; a key common to all and one of 100; a concurrency limit; no limit, but 100"
            " tenants in turns; and plain jobs behind 50,000 of a saturated key. Claims of 100 by SQL calls. The exact rows are"
            " two worker processes under a rate of 1,000 a second with a burst of 100, and of 100 with one of 10: what they use"
            " of the starts that the limit allows, and how many exceed it in any window, by the time of their claims.",
            limits.measure,
            LIMITS,
        ),
        Kind(
            "limits-processes",
            "Draining jobs with limits with two worker processes",
            "As before, with two worker processes on the same machine.",
            limits.measure,
            LIMITS,
            lambda options: replace(options, processes=max(2, options.processes)),
        ),
        Kind(
            "limits-pinned",
            "Jobs with limits under a held snapshot",
            "As under a held snapshot above, for a minute: plain jobs, and jobs with one key whose limit is far above the load.",
            pinned.measure,
            PINNED,
            lambda options: replace(options, seconds=options.seconds or 60.0),
        ),
        Kind(
            "schedules",
            "Schedules",
            "1,000 schedules with a tick each second for 60 s over two worker processes: ticks that were lost or fired twice, and"
            " how long after its tick a schedule fired and its job was made.",
            schedules.measure,
            (
                Column("fired_p50_ms", "fired p50 ms", 1),
                Column("fired_p99_ms", "fired p99 ms", 1),
                Column("job_p50_ms", "job p50 ms", 1),
                Column("job_p99_ms", "job p99 ms", 1),
                Column("ticks", "ticks"),
                Column("lost", "lost"),
                Column("twice", "twice"),
            ),
            lambda options: replace(options, processes=max(2, options.processes)),
        ),
        Kind(
            "backlog",
            "A long backlog",
            "Claims and finishes of 100 jobs by SQL calls, while 1,000 to 1,000,000 jobs are ready.",
            backlog.measure,
            (
                Column("claim_1000_ms", "claim p50 ms, 1,000", 2),
                Column("claim_100000_ms", "claim, 100,000", 2),
                Column("claim_1000000_ms", "claim, 1,000,000", 2),
                Column("finish_1000_ms", "finish p50 ms, 1,000", 2),
                Column("finish_100000_ms", "finish, 100,000", 2),
                Column("finish_1000000_ms", "finish, 1,000,000", 2),
            ),
        ),
        Kind(
            "server",
            "Where the server's time for one job goes",
            "Microseconds of a backend's processor time for each job, without any client: a procedure claims (500 jobs, or"
            " as many as the row says), reads what a worker would hand in, finishes and commits. Beside it the bare statements,"
            " of plain jobs in the same tables, with the same indexes and columns: an UPDATE of rows locked with SKIP LOCKED, and"
            " a DELETE by id and token with an INSERT into the history.",
            server.measure,
            SERVER,
        ),
        Kind(
            "shares",
            "Where the time of one job goes",
            "Processor time for each job of a drain by one worker process, in microseconds: of the database's sessions, divided"
            " by how long they were in claim and in finish; of the server's other processes; of the worker, divided by samples of"
            " its stack.",
            shares.measure,
            SHARES,
        ),
        Kind(
            "observers",
            "Draining while somebody looks",
            "A drain of a million jobs, 5 s in turns with and without an observer that reads queue_stats, queues, task_stats,"
            " throughput_per_minute, limit_status and worker_status once a second.",
            observers.measure,
            (RATE, Column("unobserved", "unobserved"), Column("kept", "kept", 3), Column("look_ms", "a look, ms", 1)),
        ),
        Kind(
            "dashboards",
            "Draining while dashboards are open",
            "A drain, 6 s in turns with and without 20 open overviews; then the transactions of 2 and of 20 viewers while a job"
            " is added five times a second.",
            dashboards.measure,
            (
                RATE,
                Column("unobserved", "unobserved"),
                Column("kept", "kept", 3),
                Column("looks_per_second", "looks/s of each", 2),
                Column("commits_of_2", "commits/s of 2", 1),
                Column("commits_of_20", "commits/s of 20", 1),
            ),
        ),
        Kind(
            "memory",
            "Memory of a worker",
            "Resident memory of the worker process while it drains a million jobs.",
            memory.measure,
            (
                Column("early_rss_mib", "MiB at 10%", 1),
                Column("late_rss_mib", "MiB at the end", 1),
                Column("peak_rss_mib", "peak MiB", 1),
            ),
        ),
    )
}

GROUPS = {"recovery": ("recovery-kill", "recovery-crash")}
"""Names for several of them."""
