"""The layers of the package, held by its import graph: no circle of files, and nothing imports what stands above it."""

import ast
from pathlib import Path

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
