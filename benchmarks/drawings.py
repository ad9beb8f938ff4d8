"""Which pictures there are, and what each shows of the results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Row
from benchmarks.goals import Results
from benchmarks.measurements.recovery import LIMIT
from benchmarks.pictures.charts import Line, Stack, bars, ranges, stacks

FOLDER = "performance"
"""Beside the page."""

LEFT_OUT = {"before", "bare"}
"""The version before and the limit are no systems that anybody chooses among."""

NAMES = {
    "pgqueuer": "PgQueuer",
    "graphile": "Graphile Worker",
    "procrastinate": "Procrastinate",
    "chancy": "Chancy",
    "pgboss": "pg-boss",
    "celery": "Celery (Redis)",
    "dramatiq": "Dramatiq (Redis)",
    "rq": "RQ (Redis)",
    "arq": "arq (Redis)",
    "saq": "SAQ (Redis)",
}
"""As their authors write them, and where jobs are not in PostgreSQL: that is another promise, which a picture must not hide."""


@dataclass(frozen=True)
class Drawing:
    """One picture, shown in the section of a benchmark; it draws nothing where that was not measured."""

    name: str
    section: str
    title: str
    draw: Callable[[str, Results], str | None]


def write(folder: Path, results: Results) -> list[Path]:
    """Draw all that can be drawn; the files that were written."""
    drawn = [(folder / f"{drawing.name}.svg", drawing.draw(drawing.title, results)) for drawing in DRAWINGS]
    folder.mkdir(parents=True, exist_ok=True)
    for path, picture in drawn:
        if picture is not None:
            path.write_text(picture)
    return [path for path, picture in drawn if picture is not None]


def _figure(row: Row | None, key: str, run: object) -> float | None:
    """Of a line of that run."""
    value = row.get(key) if row and row.get("run") == run else None
    return float(value) if isinstance(value, int | float) and value > 0 else None


def _lines(results: Results, first: tuple[str, str], second: tuple[str, str]) -> list[Line]:
    """The systems that have the first figure (a benchmark and a key), with the second where they have it; the smallest first.

    Only those of pgqueue's own run: what was measured another time is no comparison.
    """
    found = []
    run = results.get(first[0], {}).get("pgqueue", {}).get("run")
    for name, row in results.get(first[0], {}).items():
        value = _figure(row, first[1], run)
        if value is not None and name not in LEFT_OUT:
            other = _figure(results.get(second[0], {}).get(name), second[1], run)
            found.append(Line(NAMES.get(name, name), value, other))
    return sorted(found, key=lambda line: line.first)


def _draining(title: str, results: Results) -> str | None:
    lines = _lines(results, ("throughput", "jobs_per_second"), ("processes", "jobs_per_second"))[::-1]
    two = any(line.second is not None for line in lines)
    note = "Jobs per second of no-op jobs from a full queue; medians. Longer is better."
    return bars(title, note, lines, ("one worker process", "two") if two else None) if lines else None


def _together(title: str, results: Results) -> str | None:
    lines = _lines(results, ("together", "jobs_per_second"), ("", ""))[::-1]
    note = "Jobs per second while one producer enqueues and one worker process drains; medians. Longer is better."
    return bars(title, note, lines) if lines else None


def _recovery(title: str, results: Results) -> str | None:
    """Those that have not brought all jobs back have a bar as long as the wait, at the end."""
    lines = _lines(results, ("recovery-kill", "back_seconds"), ("", ""))
    back = {line.name for line in lines}
    rows = results.get("recovery-kill", {})
    for name, row in rows.items():
        shown = NAMES.get(name, name)
        if shown not in back and "error" not in row and row.get("run") == rows.get("pgqueue", {}).get("run"):
            lines.append(Line(shown, LIMIT, words=f"not within {LIMIT:g} s"))
    note = "Seconds from kill -9 of a worker until all the jobs that it was running run again elsewhere. Shorter is better."
    return bars(title, note, lines) if lines else None


def _latency(title: str, results: Results) -> str | None:
    lines = _lines(results, ("latency", "p50_ms"), ("latency", "p99_ms"))
    note = "From before the enqueue call to the handler: the median (dot) to the 99th percentile. Left is better."
    return ranges(title, note, lines) if lines else None


STEPS = {"claim_us": "claim", "read_us": "read what is handed in", "finish_us": "finish", "commit_us": "commits"}
"""Of the benchmark `server`, in the order of a job."""

PARTS = {
    "claiming_us": "backends: claim",
    "finishing_us": "finish",
    "wal_writer_us": "WAL writer",
    "others_us": "other processes of the server",
    "python_us": "Python",
}
"""Of the benchmark `shares`."""

Bars = Sequence[tuple[str, str, str]]
"""What a bar is called, of which system it is, and what its figures' names begin with."""

VERSIONS: Bars = (("version before", "before", ""), ("pgqueue", "pgqueue", ""))
BARE: Bars = (("bare statements", "pgqueue", "bare_"),)


def _stacks(results: Results, benchmark: str, parts: Mapping[str, str], shown: Bars) -> list[Stack]:
    rows = results.get(benchmark, {})
    run = rows.get("pgqueue", {}).get("run")
    lines = [Stack(name, [_figure(rows.get(of), prefix + key, run) or 0.0 for key in parts]) for name, of, prefix in shown]
    return [line for line in lines if any(line.parts)]


def _server(title: str, results: Results) -> str | None:
    lines = _stacks(results, "server", STEPS, (*VERSIONS, *BARE))
    note = "Microseconds of a backend's processor time for each plain job, in claims of 500. Shorter is better."
    return stacks(title, note, list(STEPS.values()), lines) if lines else None


def _job(title: str, results: Results) -> str | None:
    lines = _stacks(results, "shares", PARTS, VERSIONS)
    note = "Microseconds of processor time for each job of a drain by one worker process, server and worker. Shorter is better."
    return stacks(title, note, list(PARTS.values()), lines) if lines else None


DRAWINGS = (
    Drawing("draining", "throughput", "Draining a full queue", _draining),
    Drawing("together", "together", "Enqueueing and working at once", _together),
    Drawing("latency", "latency", "Latency of an idle worker", _latency),
    Drawing("recovery", "recovery-kill", "A killed worker's jobs", _recovery),
    Drawing("server", "server", "The server's time for one job", _server),
    Drawing("job", "shares", "The time for one job", _job),
)
