"""The speed that pgqueue has promised itself, in one place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

from benchmarks.figures import Row
from benchmarks.measurements.backlog import SIZES
from benchmarks.systems import CONNECTIONS, LIMITED

Results = Mapping[str, Mapping[str, Row]]
"""All lines, by benchmark and then by system."""

Place = tuple[str, str]
"""Of a line: its benchmark and its system."""


@dataclass(frozen=True)
class Goal:
    """A bound on a figure, or on the ratio of a figure between two lines."""

    text: str
    value: Callable[[Results], float | None]
    bound: float
    at_least: bool = True
    before: str = ""
    """What the version before reached, on the same kind of machine: where the bound was set with it in mind."""

    def met(self, results: Results) -> bool | None:
        """Whether it holds; None where it was not measured."""
        value = self.value(results)
        if value is None:
            return None
        return value >= self.bound if self.at_least else value <= self.bound


def _read(results: Results, kind: str, key: str, system: str = "pgqueue") -> float | None:
    value = results.get(kind, {}).get(system, {}).get(key)
    return float(value) if isinstance(value, int | float) else None


def _figure(kind: str, key: str, system: str = "pgqueue") -> Callable[[Results], float | None]:
    """A figure of pgqueue, or of one of its connections."""
    return lambda results: _read(results, kind, key, system)


def _ratio(kind: str, key: str, system: str) -> Callable[[Results], float | None]:
    """How many times the figure of another system pgqueue reaches."""
    return lambda results: _quotient(results, (kind, "pgqueue"), (kind, system), key)


def _share(kind: str, system: str) -> Callable[[Results], float | None]:
    """What part of pgqueue's rate a row of its own reaches."""
    return lambda results: _quotient(results, (kind, system), (kind, "pgqueue"))


def _kept_to_plain(results: Results) -> float | None:
    """What jobs with limits keep of their rate under a held snapshot, to what plain jobs keep."""
    return _quotient(results, ("limits-pinned", "one-key"), ("limits-pinned", "pgqueue"), "kept")


def _violations(system: str) -> Callable[[Results], float | None]:
    """Those of the worst round."""

    def value(results: Results) -> float | None:
        most = results.get("limits", {}).get(system, {}).get("max")
        return most.get("violations") if isinstance(most, dict) else None

    return value


def _spread(call: str) -> Callable[[Results], float | None]:
    """The slowest over the fastest of a call's times at different backlogs."""

    def value(results: Results) -> float | None:
        found = [_read(results, "backlog", f"{call}_{size}_ms") for size in SIZES]
        known = [figure for figure in found if figure is not None]
        return _divide(max(known), min(known)) if len(known) == len(SIZES) else None

    return value


def _to_before(kind: str, key: str) -> Callable[[Results], float | None]:
    """Times the version before: the median of the rounds' ratios, for both were measured in turns in each round."""

    def value(results: Results) -> float | None:
        ours, theirs = (results.get(kind, {}).get(system, {}) for system in ("pgqueue", "before"))
        if not ours or ours.get("run") != theirs.get("run"):
            return None
        pairs = zip(_rounds(ours, key), _rounds(theirs, key), strict=False)
        return median(found) if (found := [mine / his for mine, his in pairs if his]) else None

    return value


def _rounds(row: Row, key: str) -> list[float]:
    rounds = row.get("rounds")
    return rounds.get(key, []) if isinstance(rounds, dict) else []


def _quotient(results: Results, one: Place, other: Place, key: str = "jobs_per_second") -> float | None:
    """A figure of one line to that of another; None unless both are of one run, on the same machine in the same hour."""
    rows = [results.get(kind, {}).get(system, {}) for kind, system in (one, other)]
    if rows[0].get("run") != rows[1].get("run"):
        return None
    return _divide(*(_read(results, kind, key, system) for kind, system in (one, other)))


def _divide(value: float | None, by: float | None) -> float | None:
    return None if value is None or not by else value / by


GOALS = (
    Goal("inside the server, finish to the bare statements", _figure("server", "finish_to_bare"), 1.3, False, "2.1"),
    Goal("inside the server, claim to the bare statements", _figure("server", "claim_to_bare"), 1.1, False, "1.28"),
    Goal("inside the server, bytes of WAL per job", _figure("server", "wal_bytes_per_job"), 1_068, False),
    Goal("draining, times Graphile Worker", _ratio("throughput", "jobs_per_second", "graphile"), 1.35, before="1.06"),
    Goal("draining, times Graphile Worker (wish)", _ratio("throughput", "jobs_per_second", "graphile"), 1.5, before="1.06"),
    Goal("draining, times PgQueuer", _ratio("throughput", "jobs_per_second", "pgqueuer"), 4, before="3.1"),
    Goal("draining, times PgQueuer (wish)", _ratio("throughput", "jobs_per_second", "pgqueuer"), 5, before="3.1"),
    Goal("draining, share of the bare loop", _ratio("throughput", "jobs_per_second", "bare"), 0.75, before="0.85"),
    Goal("draining, one process to two", _figure("processes", "one_to_all"), 0.85, before="0.67"),
    Goal("draining with two processes, times the version before", _to_before("processes", "jobs_per_second"), 1.2, before="1"),
    Goal("draining, commits per job", _figure("throughput", "commits_per_job"), 0.02, at_least=False),
    Goal("draining, bytes of WAL per job", _figure("throughput", "wal_bytes_per_job"), 1_068, False, "1,068"),
    Goal("thread handlers, jobs/s", _figure("sync", "jobs_per_second"), 5_000),
    Goal("enqueue and work at once, times PgQueuer", _ratio("together", "jobs_per_second", "pgqueuer"), 4, before="3.3"),
    Goal("enqueue_many, jobs/s", _figure("enqueue", "jobs_per_second"), 150_000),
    Goal("one enqueue, times a plain INSERT", _figure("enqueue", "single_to_insert"), 1.15, at_least=False, before="1.15"),
    *(
        Goal(f"one enqueue on {name}, times an INSERT by hand", _figure("enqueue", "single_to_insert", name), 1.3, at_least=False)
        for name in CONNECTIONS[:-1]
    ),
    Goal("enqueue_select, jobs/s", _figure("enqueue", "jobs_per_second", "enqueue_select"), 200_000),
    Goal("latency p50, ms", _figure("latency", "p50_ms"), 2.0, at_least=False),
    Goal("latency p99, ms", _figure("latency", "p99_ms"), 5.0, at_least=False),
    Goal("latency p50, times Graphile Worker's", _ratio("latency", "p50_ms", "graphile"), 1.0, False, "1.0"),
    Goal("chords of 100, share of plain jobs", _share("workflows", "chords-100"), 0.75, before="0.77"),
    Goal("child after parent, added to a plain job's latency, ms", _figure("releases", "added_p50_ms"), 1.0, at_least=False),
    Goal("one parent's 10,000 children, ms", _figure("releases", "fan_out_ms"), 2_000, at_least=False),
    Goal("10,000 parents to 1,000, per parent", _figure("releases", "fan_in_growth"), 1.5, at_least=False),
    *(
        Goal(
            f"limits, {name}{workers}, share of plain jobs",
            _share(kind, name),
            bound,
            before="0.65 to 0.75" if workers and name in ("one-key", "keys-100", "fair-100") else "",
        )
        for kind, workers in (("limits", ""), ("limits-processes", ", two processes"))
        for name, bound in {**dict.fromkeys(LIMITED[:-3], 0.80), "behind-50000": 0.90}.items()
    ),
    Goal("limits, claim with 5,000 keys, ms", _figure("limits", "claim_p50_ms", "keys-5000"), 5.0, at_least=False),
    *(Goal(f"limits, {name}, share of the rate used", _figure("limits", "used", name), 0.97) for name in LIMITED[-2:]),
    *(Goal(f"limits, {name}, violations", _violations(name), 0, at_least=False) for name in LIMITED[-2:]),
    Goal("limits under a held snapshot, kept share to that of plain jobs", _kept_to_plain, 1.0),
    Goal("held snapshot, kept share", _figure("pinned", "kept"), 0.60),
    Goal("held snapshot, kept share (wish)", _figure("pinned", "kept"), 0.75),
    Goal("held snapshot, last third to middle third", _figure("pinned", "last_to_middle"), 0.95, before="0.84"),
    Goal("killed worker, its jobs run again, s", _figure("recovery-kill", "back_seconds"), 45, at_least=False),
    Goal("killed worker, jobs done twice", _figure("recovery-kill", "twice"), 0, at_least=False),
    *(
        Goal(f"{what}, jobs {wrong}", _figure(kind, key), 0, at_least=False)
        for kind, what in (("recovery-kill", "killed worker"), ("recovery-crash", "crashed server"))
        for key, wrong in (("lost", "lost"), ("held", "not recorded within 90 s"))
    ),
    Goal("crashed server, times the worker ended", _figure("recovery-crash", "worker_ends"), 0, at_least=False),
    Goal("backlog, claim slowest to fastest", _spread("claim"), 1.5, at_least=False),
    Goal("backlog, finish slowest to fastest", _spread("finish"), 1.5, at_least=False),
    Goal("observed once a second, kept of the rate", _figure("observers", "kept"), 0.90),
    Goal("20 dashboards open, kept of the rate", _figure("dashboards", "kept"), 0.90),
    Goal("transactions of 20 dashboards to those of 2", _figure("dashboards", "fan_out"), 1.2, at_least=False),
    Goal("worker memory, peak MiB", _figure("memory", "peak_rss_mib"), 120, at_least=False),
    Goal("worker memory, end to 10%", _figure("memory", "growth"), 1.05, at_least=False),
)
