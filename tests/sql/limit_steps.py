"""What tests of limits do again and again, and what they look at."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from .conftest import Sql
from .guarantees import many

OpenSql = Callable[[], Sql]
Start = tuple[datetime, int]  # when, and its cost


def set_limit(sql: Sql, name: str, **options: Any) -> None:
    """set_limit() with named arguments; per is a second unless given."""
    if options.get("rate"):
        options.setdefault("per", "1 s")
    named = "".join(f", {option} => %s" for option in options)
    sql.value(f"select set_limit(%s{named})", name, *options.values())


def add(sql: Sql, count: int, *limits: str, **options: Any) -> list[int]:
    """So many jobs with these limits."""
    return many(sql, count, limits=list(limits) or None, **options)


def claimed(sql: Sql, worker: UUID, want: int = 10, queues: tuple[str, ...] = ("default",), **options: Any) -> list[int]:
    """The ids that one claim takes."""
    return [row["id"] for row in sql.claim(worker, want, queues, **options)[1]]


def pass_time(sql: Sql, seconds: float) -> None:
    """Time travel: everything that limits look at happened so much earlier."""
    for change in (
        "bucket set refilled_at = refilled_at - t, oldest_claim = oldest_claim - t, used_since = used_since - t",
        "bucket set saving = row((saving).lane, (saving).tokens, (saving).ready_at - t, (saving).until - t)::saving "
        "where (saving).lane is not null",
        "turn set due_at = due_at - t, lo = lo - t, whole_at = whole_at - t",
        "line_start set starts_at = starts_at - t, keys_at = keys_at - t, seen_at = seen_at - t",
        "parking set until = until - t",
        "permit set claimed_at = claimed_at - t",
        "job set run_at = run_at - t, claimed_at = claimed_at - t",
        "limit_def set changed_at = changed_at - t",
    ):
        sql.rows(f"update {change.replace('- t', '- make_interval(secs => %(t)s)')}".replace("%(t)s", str(float(seconds))))


def step_clock(sql: Sql, seconds: float) -> None:
    """The clock of the database is set, by so much forward; back if negative. All that is stored moves the other way."""
    pass_time(sql, seconds)
    for change in (
        "job set created_at = created_at - t, unknown_since = unknown_since - t, put_off_at = put_off_at - t",
        "worker set heartbeat_at = heartbeat_at - t, started_at = started_at - t",
        "unique_hold set expires_at = expires_at - t, held_at = held_at - t",
        "job_result set expires_at = expires_at - t",
        "forced_cancel set at = at - t, asked_at = asked_at - t",
        "workflow set created_at = created_at - t, finished_at = finished_at - t, cancelled_at = cancelled_at - t",
        "workflow_node set ended_at = ended_at - t",
        "dead_letter set finished_at = finished_at - t",
        "job_history set finished_at = finished_at - t, claimed_at = claimed_at - t, result_expires_at = result_expires_at - t",
        "clock set seen_at = seen_at - t",
        "job_step set started_at = started_at - t, ended_at = ended_at - t",
        "job_signal set waited_at = waited_at - t, until = until - t, ended_at = ended_at - t",
        "parking set parked_at = parked_at - t",
        "limit_def set changed_at = changed_at - t",
    ):
        sql.rows(f"update {change.replace('- t', '- make_interval(secs => %(t)s)')}".replace("%(t)s", str(float(seconds))))


def finish_all(sql: Sql, **outcome: Any) -> None:
    """All that runs ends so."""
    outcome.setdefault("state", "succeeded")
    for row in sql.rows("select claim_token, array_agg(id order by id) as ids from job where state = 'running' group by 1"):
        assert {"stale", "busy"}.isdisjoint(
            v["verdict"] for v in sql.finish(row["claim_token"], *({"id": id, **outcome} for id in row["ids"]))
        )


def look_everywhere(sql: Sql) -> None:
    """A claimer that finds the machine slow leaves some turns to a look a second later: this is that second."""
    sql.rows("delete from line_start")
    sql.rows("update turn set lo = '-infinity', whole_at = null where whole_at is not null")
    sql.rows(
        """update turn set due_at = clock_timestamp() - interval '1 ms'
            where key is null and due_at between clock_timestamp() and clock_timestamp() + interval '1 s'"""
    )


def drain(sql: Sql, worker: UUID, want: int = 10, queues: tuple[str, ...] = ("default",), rounds: int = 1000) -> list[int]:
    """Claim and end until nothing is left to claim: the ids in the order of their starts."""
    started: list[int] = []
    for _ in range(rounds):
        token, rows = sql.claim(worker, want, queues)
        if not rows:
            look_everywhere(sql)
            token, rows = sql.claim(worker, want, queues)
        if not rows:
            return started
        started += [row["id"] for row in rows]
        sql.finish(token, *({"id": row["id"], "state": "succeeded"} for row in rows))
    raise AssertionError(f"after {rounds} rounds there was still something to claim")


def starts_of(sql: Sql, key: str) -> list[Start]:
    """Every start under a key that runs or is over, in order."""
    rows = sql.rows(
        """select claimed_at, coalesce(cost, 1) as cost
             from (select claimed_at, cost, limits from job where state = 'running'
                   union all select claimed_at, cost, limits from job_history) j
            where %s = any (limits) and claimed_at is not null order by claimed_at""",
        key,
    )
    return [(row["claimed_at"], row["cost"]) for row in rows]


def assert_rate(starts: Sequence[Start], rate: float, burst: float) -> None:
    """In any window of T seconds at most burst + rate x T; the last start of a window may cost more than the burst."""
    paid = [0.0]
    for _, cost in starts:
        paid.append(paid[-1] + cost)
    for last, (until, cost) in enumerate(starts):
        for first in range(last + 1):
            seconds = (until - starts[first][0]).total_seconds()
            tokens = paid[last] - paid[first] + min(cost, burst)
            assert tokens <= burst + rate * seconds + 1e-3, f"{tokens} tokens in {seconds} s, at {burst} + {rate}/s"


def lost_lanes(sql: Sql) -> int:
    """Lanes with ready jobs at which nobody looks."""
    return int(
        sql.value(
            """select count(distinct lane_id) from job j where state = 'ready' and lane_id is not null
                and not exists (select from turn t where t.lane_id = j.lane_id)"""
        )
    )
