"""Options of commands that log."""

from typing import Annotated

import typer

from .. import logs

LogFormat = Annotated[
    logs.Format | None,
    typer.Option(help="console or json; $PGQUEUE_LOG_FORMAT, or console on a terminal and json otherwise."),
]
LogLevel = Annotated[
    str | None,
    typer.Option(metavar="LEVEL", help="debug, info, warning, error or critical; $PGQUEUE_LOG_LEVEL, or info."),
]
LogFile = Annotated[
    str | None,
    typer.Option(metavar="PATH", help="Log to this file too, a new one each day; 30 are kept. $PGQUEUE_LOG_FILE by default."),
]
