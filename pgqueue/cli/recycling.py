"""Options of `pgqueue worker` for processes that are replaced."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from ..errors import ConfigurationError
from ..supervisor.recycle import Recycling
from .sizes import read_size
from .times import read_span

MaxJobs = Annotated[
    int | None, typer.Option("--max-jobs", metavar="N", help="Replace a process after about N jobs, between jobs.")
]
MaxMemory = Annotated[
    str | None,
    typer.Option("--max-memory", metavar="SIZE", help="Replace a process above this memory, between jobs: 512MB, 1GiB."),
]
MaxMemoryHard = Annotated[
    str | None, typer.Option("--max-memory-hard", metavar="SIZE", help="Kill a process above this memory at once.")
]
MaxLifetime = Annotated[
    str | None, typer.Option("--max-lifetime", metavar="SPAN", help="Replace a process after this time, between jobs: 12h.")
]
BootTimeout = Annotated[
    str | None,
    typer.Option("--boot-timeout", metavar="SPAN", help="Kill a process that is not ready after this time; 60s by default."),
]
Reload = Annotated[
    bool, typer.Option("--reload", help="For development: replace all processes when a Python file below here changes.")
]


def read_recycling(
    max_jobs: int | None, max_memory: str | None, max_memory_hard: str | None, max_lifetime: str | None, boot_timeout: str | None
) -> Recycling | None:
    """What these options say; None if none is given.

    Raises:
        ConfigurationError, InvalidArgument: one is no size, no span, or not above 0.
    """
    if (max_jobs, max_memory, max_memory_hard, max_lifetime, boot_timeout) == (None,) * 5:
        return None
    return Recycling(
        max_jobs,
        read_size("max_memory", max_memory),
        read_size("max_memory_hard", max_memory_hard),
        None if max_lifetime is None else read_span("max_lifetime", max_lifetime).total_seconds(),
        read_span("boot_timeout", "60s" if boot_timeout is None else boot_timeout).total_seconds(),
    )


def watched(reload: bool) -> list[Path]:
    """The directories whose files are watched.

    Raises:
        ConfigurationError: watchfiles is not installed.
    """
    if reload and find_spec("watchfiles") is None:
        raise ConfigurationError("reload: watchfiles is not installed; run: pip install 'pgqueue-native[api]'")
    return [Path.cwd()] if reload else []
