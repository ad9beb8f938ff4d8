"""The page about performance: made of runs, with what was written by hand below it, and pictures that are there."""

import re
from pathlib import Path
from xml.etree import ElementTree

from benchmarks import drawings, page
from benchmarks.figures import Row
from benchmarks.runs import Runs, read
from tests.benchmarks.lines import FIRST, SECOND, line, machine, written

ROOT = Path(__file__).parents[2]
STEPS: dict[str, float] = {"claim_us": 10.0, "read_us": 1.0, "finish_us": 7.0, "commit_us": 1.5}
LINES = [
    machine(),
    line("throughput", "pgqueue", jobs_per_second=[40_000.0, 41_000.0]),
    line("throughput", "graphile", jobs_per_second=[20_000.0, 20_000.0]),
    line("processes", "pgqueue", jobs_per_second=50_000.0),
    line("together", "pgqueue", jobs_per_second=30_000.0),
    line("latency", "pgqueue", p50_ms=1.5, p99_ms=2.5),
    line("latency", "arq", p50_ms=250.0, p99_ms=500.0),
    line("recovery-kill", "pgqueue", back_seconds=31.0),
    line("recovery-kill", "celery", lost=0.0),
    {**line("server", "pgqueue"), **STEPS, **{f"bare_{step}": value for step, value in STEPS.items()}},
    {
        **line("shares", "pgqueue"),
        "claiming_us": 10.0,
        "finishing_us": 9.0,
        "wal_writer_us": 1.0,
        "others_us": 1.0,
        "python_us": 12.0,
    },
]


def _runs(tmp_path: Path, *lines: Row) -> Runs:
    return read([written(tmp_path / "run.jsonl", lines)])


def _written(tmp_path: Path, *lines: Row) -> str:
    runs = _runs(tmp_path, *lines)
    path = tmp_path / "performance.md"
    drawings.write(tmp_path / drawings.FOLDER, runs.results())
    page.write(path, runs)
    return path.read_text()


def _table(text: str, title: str) -> list[str]:
    return [row for row in text.partition(f"## {title}\n")[2].partition("\n## ")[0].splitlines() if row.startswith("| ")]


def test_the_page_says_what_it_was_measured_on_and_each_run(tmp_path: Path) -> None:
    text = _written(tmp_path, *LINES)
    assert "| processor | Example |" in text
    assert f"| {FIRST} | - | 0.1 | 1 to 2 | throughput, processes, together, latency, recovery-kill, server, shares |" in text


def test_two_machines_have_a_column_each_and_a_mixed_table_says_so(tmp_path: Path) -> None:
    other = [machine(SECOND, processor="Another"), line("latency", "saq", SECOND, p50_ms=1.0)]
    text = _written(tmp_path, *LINES, *other)
    assert "SAQ" not in (tmp_path / drawings.FOLDER / "latency.svg").read_text()
    assert "| processor | Example | Another |" in text
    assert f"Not of one run: pgqueue, arq in the run of {FIRST}; saq in the run of {SECOND}." in text
    assert [row.split(" | ")[3] for row in _table(text, "Latency of an idle worker") if row.startswith("| saq")] == ["-"]


def test_what_was_written_by_hand_stays_when_the_page_is_written_again(tmp_path: Path) -> None:
    by_hand = f"{page.KEPT}\n\n## Limits\n\nAs measured by hand.\n"
    (tmp_path / "performance.md").write_text(f"# Written before\n{by_hand}")
    first = _written(tmp_path, *LINES)
    assert first.endswith(by_hand)
    assert "# Written before" not in first
    assert _written(tmp_path, *LINES) == first


def test_each_picture_that_the_page_shows_is_there_and_none_is_of_nothing(tmp_path: Path) -> None:
    text = _written(tmp_path, *LINES)
    shown = re.findall(r"\]\((.*?\.svg)\)", text)
    assert len(shown) == len(drawings.DRAWINGS)
    assert all((tmp_path / name).exists() for name in shown)
    assert ".svg" not in _written(tmp_path, machine(), line("memory", "pgqueue", peak_rss_mib=80.0))


def test_a_system_that_failed_is_in_the_table_and_in_no_picture(tmp_path: Path) -> None:
    failed: Row = {**line("throughput", "saq"), "error": "no Redis"}
    text = _written(tmp_path, *LINES, failed)
    assert any(row.startswith("| saq 1.0 | failed") for row in _table(text, "Draining a full queue"))
    assert "SAQ" not in (tmp_path / drawings.FOLDER / "draining.svg").read_text()


def test_pictures_are_whole_have_both_themes_and_name_the_systems(tmp_path: Path) -> None:
    for path in drawings.write(tmp_path / "pictures", _runs(tmp_path, *LINES).results()):
        picture = path.read_text()
        ElementTree.fromstring(picture)
        assert "prefers-color-scheme: dark" in picture
        assert "pgqueue" in picture
    assert "not within 90 s" in (tmp_path / "pictures" / "recovery.svg").read_text()


def test_the_longest_bar_and_its_figure_end_within_the_picture(tmp_path: Path) -> None:
    drawings.write(tmp_path / "pictures", _runs(tmp_path, *LINES).results())
    for path in (tmp_path / "pictures").glob("*.svg"):
        root = ElementTree.fromstring(path.read_text())
        width = float(root.attrib["width"])
        ends = [float(it.attrib["x"]) + float(it.attrib["width"]) for it in root if it.tag.endswith("rect")]
        assert max(ends, default=0) <= width, path


def test_the_page_in_docs_is_what_the_runs_beside_the_benchmarks_make() -> None:
    """Whoever changes a text, a goal or a run writes it again: `python -m benchmarks page benchmarks/runs/*.jsonl`."""
    runs = read(sorted((ROOT / "benchmarks/runs").glob("*.jsonl")))
    made, kept, _ = (ROOT / "docs/performance.md").read_text().partition(page.KEPT)
    assert kept
    assert made == page.text(runs) + "\n"


def test_who_keeps_its_jobs_in_redis_is_said_in_the_table_and_in_the_pictures(tmp_path: Path) -> None:
    text = _written(tmp_path, *LINES)
    assert [row.split(" | ")[2] for row in _table(text, "Systems")[2:]] == ["PostgreSQL", "PostgreSQL", "Redis", "Redis"]
    assert ">arq (Redis)<" in (tmp_path / drawings.FOLDER / "latency.svg").read_text()
