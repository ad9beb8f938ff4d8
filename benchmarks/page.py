"""The report as a Markdown page: the machine, the goals, a table for each benchmark, the systems; made of what runs have left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.drawings import DRAWINGS, FOLDER
from benchmarks.figures import Row
from benchmarks.goals import GOALS, Goal, Results
from benchmarks.kinds import KINDS, Kind
from benchmarks.runs import Runs
from benchmarks.systems import CONNECTIONS, IN_REDIS, LIMITED, SHAPES
from benchmarks.tables import cells, header

KEPT = "<!-- `python -m benchmarks page` keeps what follows. -->"
INTRODUCTION = """\
# Performance

Written by `python -m benchmarks page` from the files that runs have left; `make bench` does both. In each benchmark all
systems are measured in the same run, one after the other in every round, with PostgreSQL's `synchronous_commit` on. Figures are
medians over the rounds. How it is measured, and what each system was given: [benchmarks/README.md](../benchmarks/README.md).
Only ratios within one run mean much: another machine has other figures.
"""
SYSTEMS = """\
## Systems

Settings and their sources: [benchmarks/README.md](../benchmarks/README.md#systems). Where nothing else is said, Redis runs with
its defaults: an enqueue is answered before anything is on disk, and a crash loses what came after the last snapshot. PostgreSQL
answers an enqueue when it is on disk.
"""
OF_A_RUN = ("benchmark", "run", "load before", "pgqueue commit")
"""What differs between runs on one machine."""


def write(path: Path, runs: Runs) -> None:
    """Write the page, except what follows the line KEPT: that part is written by hand."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _, kept, by_hand = (path.read_text() if path.exists() else "").partition(KEPT)
    path.write_text(text(runs) + (f"\n{kept}{by_hand}" if kept else ""))


def text(runs: Runs) -> str:
    """The part that is made of runs."""
    sections = [_section(kind, runs) for kind in KINDS.values()]
    return "\n".join([INTRODUCTION, _machines(runs), _goals(runs.results()), *filter(None, sections), _systems(runs.rows)])


def _table(titles: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    rule = ["---", *["---:"] * (len(titles) - 1)]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in (titles, rule, *lines)) + "\n"


def _machines(runs: Runs) -> str:
    """What it was measured on, once for runs that are alike in it, and each run."""
    facts = {name: None for line in runs.machines.values() for name in line if name not in OF_A_RUN}
    kinds = list(dict.fromkeys(tuple(line.get(name, "-") for name in facts) for line in runs.machines.values()))
    lines = [[name, *(kind[place] for kind in kinds)] for place, name in enumerate(facts)]
    titles = ["", *(f"machine {number}" if len(kinds) > 1 else "value" for number in range(1, len(kinds) + 1))]
    told = [_run(line, [row for row in runs.rows if row.get("run") == name]) for name, line in runs.machines.items()]
    titles_of_runs = ["run", "commit", "load before", "rounds", "benchmarks"]
    return f"## Measured on\n\n{_table(titles, lines)}\n{_table(titles_of_runs, told)}"


def _run(line: Row, rows: Sequence[Row]) -> list[object]:
    rounds = sorted({int(str(row["repeat"])) for row in rows if row.get("repeat")})
    benchmarks = dict.fromkeys(str(row["benchmark"]) for row in rows)
    many = " to ".join(dict.fromkeys(str(number) for number in (rounds[0], rounds[-1]))) if rounds else "-"
    return [line["run"], line.get("pgqueue commit", "-"), line.get("load before", "-"), many, ", ".join(benchmarks)]


def _goals(results: Results) -> str:
    explained = "*Before* is what the version before had reached, for goals that were set by it."
    lines = [_goal_line(goal, results) for goal in GOALS if goal.met(results) is not None]
    table = _table(["goal", "before", "bound", "measured", "met"], lines)
    missing = [f"{goal.text} ({_bound(goal)})" for goal in GOALS if goal.met(results) is None]
    return f"## Goals\n\n{explained}\n\n{table}" + (f"\nNot measured in these runs: {'; '.join(missing)}.\n" if missing else "")


def _goal_line(goal: Goal, results: Results) -> list[str]:
    value = goal.value(results) or 0.0
    measured = f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"
    return [goal.text, goal.before, _bound(goal), measured, "yes" if goal.met(results) else "**no**"]


def _bound(goal: Goal) -> str:
    return f"{'≥' if goal.at_least else '≤'} {goal.bound:,}"


def _section(kind: Kind, runs: Runs) -> str:
    rows = runs.of(kind.name)
    if not rows:
        return ""
    picture = _pictures(kind.name, runs.results())
    lines = [cells(kind, row, rows) for row in rows]
    return f"## {kind.title}\n\n{kind.text}\n{picture}\n{_table(header(kind), lines)}{_mixed(rows)}"


def _pictures(section: str, results: Results) -> str:
    """Links to those that can be drawn."""
    drawn = [drawing for drawing in DRAWINGS if drawing.section == section and drawing.draw(drawing.title, results)]
    return "".join(f"\n![{drawing.title}]({FOLDER}/{drawing.name}.svg)\n" for drawing in drawn)


def _mixed(rows: Sequence[Row]) -> str:
    """A warning where lines of one table are of several runs: their ratios are worth less."""
    by_run: dict[str, list[str]] = {}
    for row in rows:
        by_run.setdefault(str(row.get("run")), []).append(str(row["system"]))
    if len(by_run) < 2:
        return ""
    said = "; ".join(f"{', '.join(systems)} in the run of {run}" for run, systems in by_run.items())
    return f"\nNot of one run: {said}. Ratios are those within one run.\n"


def _systems(rows: Sequence[Row]) -> str:
    """Each system once, without the rows that are pgqueue in another shape."""
    own = {*CONNECTIONS, *SHAPES, *LIMITED}
    found: Mapping[str, Row] = {str(row["system"]): row for row in rows if row["system"] not in own and "history" in row}
    lines = [[name, row["version"], _place(name), row["concurrency"] or "any number", _kept(row)] for name, row in found.items()]
    return f"{SYSTEMS}\n{_table(['system', 'version', 'jobs in', 'jobs at once', 'finished jobs'], lines)}"


def _place(name: str) -> str:
    return "Redis" if name in IN_REDIS else "PostgreSQL"


def _kept(row: Row) -> str:
    return "kept" if row["history"] else "deleted"
