"""pgqueue serve."""

from functools import partial
from typing import Annotated

import typer

from .. import logs
from ..app import PgQueue
from ..config import load_settings
from ..control.installs import in_schema
from ..errors import ConfigurationError
from ..worker import WorkerOptions
from ..worker.launch import Launch, load_with_logs
from .installs import Schemas, chosen
from .log_options import LogFile, LogFormat, LogLevel
from .options import DatabaseUrl, Schema


def serve(
    app: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODULE:APP]", help="Location of a PgQueue object, whose tasks are known then; without it any task is taken."
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen at; one that others reach needs an API key.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="PORT", min=0, max=65535, help="Port to listen at; 0 = any.")] = 8000,
    read_only: Annotated[bool, typer.Option("--read-only", help="Let nobody change anything by the dashboard.")] = False,
    schemas: Schemas = None,
    log_format: LogFormat = None,
    log_level: LogLevel = None,
    log_file: LogFile = None,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
) -> None:
    """Serve the dashboard and the REST API, and log to stdout.

    With --schemas each install is below its own path, /SCHEMA/, and has its own keys; the index is at /.
    SIGTERM or Ctrl-C ends it: requests get 10 s, a second signal ends it at once.

    It needs the extra `api`.
    """
    try:
        from ..api import server
        from ..dashboard.build import create_server_app
        from ..dashboard.several import create_app_of_several
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"serve: API and dashboard need {error.name}, which is not installed; run: pip install 'pgqueue-native[api]'"
        ) from None
    launch = Launch(app or "", WorkerOptions(), database_url, schema, log_format and log_format.value, log_level, log_file)
    try:
        base = _app_of(launch)
        if schemas is None:
            server.serve(base, host, port, partial(create_server_app, is_read_only=read_only))
        else:
            apps = [in_schema(base, one) for one in chosen(schemas, schema, base)]
            server.serve_several(apps, host, port, partial(create_app_of_several, apps, is_read_only=read_only))
    finally:
        logs.close()


def _app_of(launch: Launch) -> PgQueue:
    if launch.target:
        return load_with_logs(launch)
    settings = load_settings(**launch.given())
    logs.configure(logs.settled(settings))
    return PgQueue(launch.database_url, schema=launch.schema)
