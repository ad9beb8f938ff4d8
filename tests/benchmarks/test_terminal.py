"""Tables in a terminal: whatever its width, no figure and no heading is cut off."""

from io import StringIO

import pytest
from rich.console import Console

from benchmarks.figures import Row
from benchmarks.kinds import KINDS, Kind
from benchmarks.systems import CONNECTIONS, NAMES
from benchmarks.tables import cells
from benchmarks.terminal import DASH, show
from tests.benchmarks.lines import FIRST, line

LARGE = 123_456.789


def _rows(kind: Kind, systems: tuple[str, ...]) -> list[Row]:
    figures: dict[str, float | list[float]] = {column.key: [LARGE, LARGE + 1] for column in kind.columns}
    return [{**line(kind.name, system, FIRST, **figures), "version": "0.1.0.dev0"} for system in systems]


def _shown(kind: Kind, rows: list[Row], width: int) -> str:
    output = StringIO()
    show(Console(file=output, width=width), kind, rows)
    return output.getvalue()


@pytest.mark.parametrize("width", [60, 80, 200])
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_each_figure_of_each_system_is_whole(kind: Kind, width: int) -> None:
    systems = ("pgqueue", "procrastinate", *CONNECTIONS)
    text = _shown(kind, _rows(kind, systems), width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    for system in systems:
        assert system in text
    headline = cells(kind, _rows(kind, systems)[0], [])[1]
    assert text.split().count(headline) >= len(systems), "a figure is missing"
    for word in (word for column in kind.columns for word in column.title.replace("/", " ").split()):
        assert word in text


def test_few_columns_stay_a_line_for_each_system() -> None:
    """The usual case: the drain of all systems at 80 columns."""
    rows: list[Row] = [
        {**line("throughput", name, jobs_per_second=[68_346.0, 72_275.0]), "version": "0.1.0.dev0", "commits_per_job": 0.0034}
        for name in NAMES
    ]
    text = _shown(KINDS["throughput"], rows, 80)
    assert [row.split()[0] for row in text.splitlines() if DASH in row] == [*NAMES]


def test_one_round_has_no_range() -> None:
    text = _shown(KINDS["throughput"], [line("throughput", "pgqueue", jobs_per_second=100.0)], 80)
    assert DASH not in text
