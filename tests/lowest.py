"""The lowest versions that pyproject.toml promises, as constraints for pip: `python -m tests.lowest > tests/lowest.txt`."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
EXTRAS = ("fast", "embedded", "otel", "api", "http-worker", "test")  # not of the tools that check and measure
BOUND = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?>=([0-9.]+)")


def lowest(pyproject: str) -> list[str]:
    """The constraints `name==version`, sorted; of several bounds on one package the highest.

    Raises:
        ValueError: a requirement has no lower bound.
    """
    bounds: dict[str, str] = {}
    for name, version in _bounds(tomllib.loads(pyproject)["project"]):
        bounds[name] = max(bounds.get(name, version), version, key=_order)
    return [f"{name}=={version}" for name, version in sorted(bounds.items())]


def _bounds(project: dict[str, dict[str, list[str]]]) -> Iterator[tuple[str, str]]:
    extras = project["optional-dependencies"]
    for requirement in [*project["dependencies"], *(one for extra in EXTRAS for one in extras[extra])]:
        if (found := BOUND.match(requirement)) is None:
            raise ValueError(f"pyproject.toml: {requirement!r} has no lower bound: write name>=version")
        yield found[1].lower(), found[2]


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


if __name__ == "__main__":
    print("\n".join(["# Made by python -m tests.lowest from pyproject.toml.", *lowest(PYPROJECT.read_text())]))
