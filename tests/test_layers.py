"""The layers of the package, held by its import graph: no circle of files, and nothing imports what stands above it."""

import ast
from collections.abc import Iterable
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "pgqueue"
Graph = dict[str, set[str]]


def _name(file: Path) -> str:
    parts = ["pgqueue", *file.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {_name(file): file for file in PACKAGE.rglob("*.py")}


def _origin(node: ast.ImportFrom, file: Path, name: str) -> str:
    """The absolute name of the module that an import statement names."""
    if not node.level:
        return node.module or ""
    package = name.split(".") if file.name == "__init__.py" else name.split(".")[:-1]
    return ".".join([*package[: len(package) - node.level + 1], *([node.module] if node.module else [])])


def _imports(name: str, file: Path) -> set[str]:
    """The modules of the package that a file names in an import, wherever the import stands."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom):
            origin = _origin(node, file, name)
            found |= {f"{origin}.{alias.name}" if f"{origin}.{alias.name}" in FILES else origin for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return (found & FILES.keys()) - {name}


GRAPH: Graph = {name: _imports(name, file) for name, file in FILES.items()}


def circles(graph: Graph) -> list[set[str]]:
    """Sets of files each of which reaches all others of its set."""
    reached = {name: _reached(graph, name) for name in graph}
    found = {frozenset(other for other in reached[name] if name in reached[other]) for name in graph if name in reached[name]}
    return [set(circle) for circle in found]


def _reached(graph: Graph, start: str) -> set[str]:
    seen: set[str] = set()
    todo = [start]
    while todo:
        for name in graph[todo.pop()] - seen:
            seen.add(name)
            todo.append(name)
    return seen


# What stands on top: only the command line starts workers, and nothing else imports these. The dashboard stands on the API.
FACES = ("cli", "dashboard", "api", "pools", "testing")
ENTRIES = {"pgqueue.__main__", "pgqueue.worker.__main__", "pgqueue.dev.child"}  # `python -m …`, which calls the command line
# The command that starts the dashboard and the API; it needs the extra `api` only when it runs.
SERVE = {
    ("pgqueue.cli.serve", other)
    for other in ("pgqueue.api", "pgqueue.api.server", "pgqueue.dashboard.build", "pgqueue.dashboard.several")
}
SERVE |= {("pgqueue.cli.agent", other) for other in ("pgqueue.pools.run", "pgqueue.pools.options")}  # likewise, of an agent
GROUND = {"pgqueue.errors", "pgqueue._json", "pgqueue._process"}  # all of the package that database/ may import
MOST_IN_ROOT = 36


def _stands_in(name: str, folder: str) -> bool:
    return f"{name}.".startswith(f"pgqueue.{folder}.")


def into_faces(graph: Graph) -> set[tuple[str, str]]:
    """Imports of a face from outside of it."""
    arrows = {(name, other) for name in graph.keys() - ENTRIES for other in graph[name]} - SERVE
    arrows = {(n, other) for n, other in arrows if not (_stands_in(n, "dashboard") and _stands_in(other, "api"))}
    return {(n, other) for n, other in arrows if any(_stands_in(other, f) and not _stands_in(n, f) for f in FACES)}


def out_of_database(graph: Graph) -> set[tuple[str, str]]:
    """Imports of database/ from above it."""
    arrows = {(name, other) for name in graph if _stands_in(name, "database") for other in graph[name] - GROUND}
    return {(name, other) for name, other in arrows if not _stands_in(other, "database")}


def in_root(files: Iterable[Path]) -> list[str]:
    """The files that a newcomer reads first."""
    return sorted(file.name for file in files if file.parent == PACKAGE)


def _with(name: str, *others: str) -> Graph:
    """A copy of the graph in which a file imports more."""
    return {**GRAPH, name: GRAPH[name] | set(others)}


def test_no_files_import_each_other_in_a_circle_even_inside_functions_and_for_types() -> None:
    """Without exception: what others need to know of a thing stands below, its verbs above (Client and PgQueue)."""
    assert circles(GRAPH) == []


def test_nothing_imports_the_faces_of_the_package() -> None:
    """The command line, the pages and the helpers for tests stand on top; the worker knows none of them."""
    assert into_faces(GRAPH) == set()


def test_the_database_imports_only_the_ground() -> None:
    """So that whoever reads a call needs no other part of the package."""
    assert out_of_database(GRAPH) == set()


def test_the_root_of_the_package_has_few_files() -> None:
    """A new noun gets a folder, or a place in one."""
    assert len(in_root(FILES.values())) <= MOST_IN_ROOT


def test_the_guard_sees_a_circle() -> None:
    """A file that imports what imports it, over one more."""
    broken = _with("pgqueue.errors", "pgqueue.job")
    assert any({"pgqueue.errors", "pgqueue.job"} <= circle for circle in circles(broken))


@pytest.mark.parametrize(
    ("name", "face"),
    [
        ("pgqueue.worker.worker", "pgqueue.cli.output"),
        ("pgqueue.app", "pgqueue.testing"),
        ("pgqueue.cli.jobs", "pgqueue.testing._drain"),
    ],
)
def test_the_guard_sees_an_import_of_a_face(name: str, face: str) -> None:
    """From below, and from the next one."""
    assert into_faces(_with(name, face)) == {(name, face)}


@pytest.mark.parametrize("other", ["pgqueue.config", "pgqueue.client", "pgqueue.codec.parameters", "pgqueue.worker.worker"])
def test_the_guard_sees_an_import_of_what_stands_above_the_database(other: str) -> None:
    """From a file of values to the worker."""
    assert out_of_database(_with("pgqueue.database.link", other)) == {("pgqueue.database.link", other)}


def test_the_guard_counts_the_files_of_the_root() -> None:
    """And no others."""
    more = [PACKAGE / f"noun{number}.py" for number in range(MOST_IN_ROOT + 1)]
    assert len(in_root([*more, PACKAGE / "cli" / "jobs.py"])) > MOST_IN_ROOT


def test_the_guard_sees_imports_inside_functions_and_for_types(tmp_path: Path) -> None:
    """Where a circle hides at run time."""
    file = tmp_path / "cursor.py"
    file.write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..app import PgQueue\n"
        "def f() -> None:\n    from .. import job\n    import pgqueue.errors\n"
    )
    assert _imports("pgqueue.worker.cursor", file) == {"pgqueue.app", "pgqueue.job", "pgqueue.errors"}
