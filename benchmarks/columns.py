"""The columns of the benchmarks' tables."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.measurements import recovery


@dataclass(frozen=True)
class Column:
    """One figure of a table."""

    key: str
    title: str
    digits: int = 0
    absent: str = "-"
    """What stands where a run has no such figure."""


RATE = Column("jobs_per_second", "jobs/s")
COSTS = (
    Column("commits_per_job", "commits/job", 4),
    Column("wal_bytes_per_job", "WAL bytes/job"),
    Column("peak_rss_mib", "worker MiB", 1),
)
ALONE = (Column("one_process", "one process"), Column("one_to_all", "its share", 2))
PERCENTILES = (
    Column("p50_ms", "p50 ms", 2),
    Column("p95_ms", "p95 ms", 2),
    Column("p99_ms", "p99 ms", 2),
    Column("max_ms", "max ms", 1),
)


LIMITS = (
    RATE,
    Column("claim_p50_ms", "claim p50 ms", 2),
    Column("claim_p99_ms", "claim p99 ms", 2),
    Column("used", "rate used", 4),
    Column("violations", "violations"),
    Column("wal_bytes_per_job", "WAL bytes/job"),
    Column("peak_rss_mib", "worker MiB", 1),
)
PINNED = (
    RATE,
    Column("first_third", "first third"),
    Column("middle_third", "middle third"),
    Column("last_third", "last third"),
    Column("without_snapshot", "without snapshot"),
    Column("kept", "kept", 2),
)
NOT_WITHIN = f"not within {recovery.LIMIT:g} s"
WRONG = (Column("lost", "lost"), Column("twice", "done twice"), Column("held", "still held"))
KILL = (
    Column("back_seconds", "all back after s", 1, NOT_WITHIN),
    Column("first_seconds", "the first after s", 1, NOT_WITHIN),
    Column("interrupted", "interrupted"),
    *WRONG,
)
CRASH = (
    Column("done_seconds", "all done after s", 1, NOT_WITHIN),
    Column("down_seconds", "server away s", 1),
    Column("pause_seconds", "pause s", 1, NOT_WITHIN),
    *WRONG,
    Column("worker_ends", "worker ended"),
    Column("snapshots_lost", "lost of 1,000 by default"),
)
SERVER = (
    Column("server_us", "µs/job", 1),
    Column("claim_us", "claim", 1),
    Column("claim_to_bare", "claim to bare", 2),
    Column("finish_us", "finish", 1),
    Column("finish_to_bare", "finish to bare", 2),
    Column("read_us", "read", 1),
    Column("commit_us", "commit", 1),
    Column("wal_bytes_per_job", "WAL bytes"),
)
SHARES = (
    Column("total_us", "µs/job", 1),
    Column("claiming_us", "backends: claim", 1),
    Column("finishing_us", "backends: finish", 1),
    Column("wal_writer_us", "WAL writer", 1),
    Column("others_us", "server's others", 1),
    Column("python_us", "Python", 1),
    Column("python_claim_us", "Python: claim", 1),
    Column("python_run_us", "Python: run", 1),
    Column("python_handler_us", "Python: handler", 1),
    Column("python_hand_in_us", "Python: hand-in", 1),
    Column("python_loop_us", "Python: loop", 1),
)
