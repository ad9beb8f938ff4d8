"""pgqueue dev."""

import asyncio
import socket
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from .. import logs
from ..errors import ConfigurationError
from ..worker import WorkerOptions
from ..worker.launch import Launch
from .log_options import LogLevel
from .options import DatabaseUrl, Schema

GRACE = 3.0  # seconds for running handlers when a file has changed: who develops does not wait for long
NEEDS = ("watchfiles", "fastapi", "uvicorn", "jinja2", "orjson")


def dev(
    app: Annotated[str, typer.Argument(metavar="MODULE:APP", help="Location of the PgQueue object; APP defaults to `app`.")],
    port: Annotated[int, typer.Option(metavar="PORT", min=0, max=65535, help="Port of the dashboard; 0 = any.")] = 8000,
    watch: Annotated[
        list[str] | None,
        typer.Option("--watch", metavar="DIR", help="Directory to watch for Python files, again for more; this one by default."),
    ] = None,
    concurrency: Annotated[int, typer.Option(metavar="N", help="Number of jobs that the worker runs at once.")] = 10,
    log_level: LogLevel = None,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
) -> None:
    """Develop: bring the schema up to date, run a worker that starts again with each saved file, and serve the dashboard.

    All of it in one terminal; Ctrl-C ends it. Code that cannot be loaded is shown, and the next save starts the worker again.
    Never use it in production: it changes the schema, and stops running jobs after 3 s.

    It needs the extra `api`.
    """
    missing = [name for name in NEEDS if find_spec(name) is None]
    if missing:
        raise ConfigurationError(
            f"dev: it needs {', '.join(missing)}, which is not installed; run: pip install 'pgqueue-native[api]'"
        )
    from ..dev.lines import Lines
    from ..dev.session import watch as run

    options = WorkerOptions(concurrency=concurrency, grace=GRACE)
    launch = Launch(app, options, database_url, schema, logs.Format.console.value, log_level, None)
    raise typer.Exit(asyncio.run(run(launch, port or _free_port(), _directories(watch or ["."]), Lines())))


def _directories(names: list[str]) -> list[Path]:
    found = [Path(name).resolve() for name in names]
    for directory in found:
        if not directory.is_dir():
            raise ConfigurationError(f"watch: {str(directory)!r} is no directory; give the one of your code")
    return found


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port
