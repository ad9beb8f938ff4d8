"""Files that runs have left: the later of equal parts counts, and ratios are those within one run."""

from pathlib import Path

import pytest

from benchmarks.errors import BenchmarkError
from benchmarks.figures import Row
from benchmarks.goals import GOALS
from benchmarks.runs import Runs, read
from tests.benchmarks.lines import FIRST, SECOND, line, machine, written

RATE = "jobs_per_second"
TIMES_BEFORE = "draining with two processes, times the version before"
TIMES_GRAPHILE = "draining, times Graphile Worker"


def _read(tmp_path: Path, *lines: Row) -> Runs:
    return read([written(tmp_path / "run.jsonl", lines)])


def _goal(text: str, runs: Runs) -> float | None:
    return next(goal for goal in GOALS if goal.text == text).value(runs.results())


def test_a_part_that_was_measured_again_replaces_its_line_and_no_other(tmp_path: Path) -> None:
    again = written(tmp_path / "a.jsonl", [machine(SECOND), line("throughput", "pgqueue", SECOND, jobs_per_second=3.0)])
    whole = [machine(), line("throughput", "pgqueue", jobs_per_second=1.0), line("throughput", "graphile", jobs_per_second=2.0)]
    runs = read([again, written(tmp_path / "b.jsonl", whole)])
    assert {row["system"]: row[RATE] for row in runs.of("throughput")} == {"pgqueue": 3, "graphile": 2}
    assert list(runs.machines) == [FIRST, SECOND]


def test_the_machine_of_a_run_of_which_nothing_is_left_is_not_named(tmp_path: Path) -> None:
    old, new = (line("latency", "pgqueue", run, p50_ms=1.0) for run in (FIRST, SECOND))
    assert list(_read(tmp_path, machine(), old, machine(SECOND), new).machines) == [SECOND]


def test_a_ratio_is_one_within_a_run(tmp_path: Path) -> None:
    ours, theirs = line("throughput", "pgqueue", jobs_per_second=30.0), line("throughput", "graphile", jobs_per_second=20.0)
    assert _goal(TIMES_GRAPHILE, _read(tmp_path, ours, theirs)) == 1.5
    assert _goal(TIMES_GRAPHILE, _read(tmp_path, ours, {**theirs, "run": SECOND})) is None


def test_the_version_before_is_compared_round_by_round(tmp_path: Path) -> None:
    """The machine was twice as fast in the last round: the ratio of the medians would be 1.2, and that of no pair."""
    ours = line("processes", "pgqueue", jobs_per_second=[12.0, 15.0, 30.0])
    before = line("processes", "before", jobs_per_second=[10.0, 10.0, 20.0])
    assert _goal(TIMES_BEFORE, _read(tmp_path, ours, before)) == 1.5
    assert _goal(TIMES_BEFORE, _read(tmp_path, ours, {**before, "run": SECOND})) is None
    assert _goal(TIMES_BEFORE, _read(tmp_path, ours)) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("| a | table |", "is no JSON"),
        ("[1]", "names no benchmark"),
        ('{"system": "pgqueue"}', "names no benchmark"),
        ('{"benchmark": "throughput"}', "names no system"),
    ],
)
def test_a_line_that_no_run_has_written_is_refused_by_its_place(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text(f"\n{text}\n")
    with pytest.raises(BenchmarkError, match=rf"run\.jsonl:2 {said}.*--json"):
        read([path])
