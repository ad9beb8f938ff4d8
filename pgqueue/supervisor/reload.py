"""Which files of an application change; for development."""

import os
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path

from watchfiles import PythonFilter, awatch

DEBOUNCE = 200  # ms for which changes are gathered: an editor writes a file in several steps


async def changes(directories: Sequence[Path]) -> AsyncIterator[str]:
    """The names of Python files that have changed, as text for people, each time that some have."""
    async for found in awatch(*directories, watch_filter=PythonFilter(), debounce=DEBOUNCE):
        yield _named(path for _, path in found)


def _named(paths: Iterable[str]) -> str:
    names = sorted({os.path.relpath(path) for path in paths})
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
