"""The speed that pgqueue has promised itself, in one place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.figures import Row
from benchmarks.measurements.backlog import SIZES
from benchmarks.systems import CONNECTIONS, LIMITED

Results = Mapping[str, Mapping[str, Row]]
"""All lines, by benchmark and then by system."""


@dataclass(frozen=True)
class Goal:
    """A bound on a figure, or on the ratio of a figure between two lines."""

    text: str
    value: Callable[[Results], float | None]
    bound: float
    at_least: bool = True

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
    return lambda results: _divide(_read(results, kind, key), _read(results, kind, key, system))


def _share(kind: str, system: str) -> Callable[[Results], float | None]:
    """What part of pgqueue's rate a row of its own reaches."""
    key = "jobs_per_second"
    return lambda results: _divide(_read(results, kind, key, system), _read(results, kind, key))


def _kept_to_plain(results: Results) -> float | None:
    """What jobs with limits keep of their rate under a held snapshot, to what plain jobs keep."""
    return _divide(_read(results, "limits-pinned", "kept", "one-key"), _read(results, "limits-pinned", "kept"))


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


def _two_processes(results: Results) -> float | None:
    key = "jobs_per_second"
    return _divide(_read(results, "processes", key), _read(results, "throughput", key))


def _divide(value: float | None, by: float | None) -> float | None:
    return None if value is None or not by else value / by


GOALS = (
    Goal("draining, times PgQueuer", _ratio("throughput", "jobs_per_second", "pgqueuer"), 2.5),
    Goal("draining, times Graphile Worker", _ratio("throughput", "jobs_per_second", "graphile"), 1.1),
    Goal("draining, share of the bare loop", _ratio("throughput", "jobs_per_second", "bare"), 0.75),
    Goal("draining, two processes to one", _two_processes, 1.0),
    Goal("draining, commits per job", _figure("throughput", "commits_per_job"), 0.02, at_least=False),
    Goal("thread handlers, jobs/s", _figure("sync", "jobs_per_second"), 5_000),
    Goal("enqueue and work at once, times PgQueuer", _ratio("together", "jobs_per_second", "pgqueuer"), 2.0),
    Goal("enqueue_many, jobs/s", _figure("enqueue", "jobs_per_second"), 150_000),
    Goal("one enqueue, times a plain INSERT", _figure("enqueue", "single_to_insert"), 1.2, at_least=False),
    *(
        Goal(f"one enqueue on {name}, times an INSERT by hand", _figure("enqueue", "single_to_insert", name), 1.3, at_least=False)
        for name in CONNECTIONS[:-1]
    ),
    Goal("enqueue_select, jobs/s", _figure("enqueue", "jobs_per_second", "enqueue_select"), 200_000),
    Goal("latency p50, ms", _figure("latency", "p50_ms"), 2.0, at_least=False),
    Goal("latency p99, ms", _figure("latency", "p99_ms"), 5.0, at_least=False),
    Goal("chords of 100, share of plain jobs", _share("workflows", "chords-100"), 0.60),
    Goal("child after parent, added to a plain job's latency, ms", _figure("releases", "added_p50_ms"), 1.0, at_least=False),
    Goal("one parent's 10,000 children, ms", _figure("releases", "fan_out_ms"), 2_000, at_least=False),
    Goal("10,000 parents to 1,000, per parent", _figure("releases", "fan_in_growth"), 1.5, at_least=False),
    *(
        Goal(f"limits, {name}{workers}, share of plain jobs", _share(kind, name), bound)
        for kind, workers in (("limits", ""), ("limits-processes", ", two processes"))
        for name, bound in {**dict.fromkeys(LIMITED[:-3], 0.80), "behind-50000": 0.90}.items()
    ),
    Goal("limits, claim with 5,000 keys, ms", _figure("limits", "claim_p50_ms", "keys-5000"), 5.0, at_least=False),
    *(Goal(f"limits, {name}, share of the rate used", _figure("limits", "used", name), 0.97) for name in LIMITED[-2:]),
    *(Goal(f"limits, {name}, violations", _violations(name), 0, at_least=False) for name in LIMITED[-2:]),
    Goal("limits under a held snapshot, kept share to that of plain jobs", _kept_to_plain, 1.0),
    Goal("held snapshot, kept share", _figure("pinned", "kept"), 0.60),
    Goal("held snapshot, kept share (wish)", _figure("pinned", "kept"), 0.75),
    Goal("held snapshot, last third to middle third", _figure("pinned", "last_to_middle"), 0.90),
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
