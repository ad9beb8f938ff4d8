"""pgqueue worker --check [--json]."""

from collections.abc import Sequence
from dataclasses import replace

from ..control.installs import in_schema
from ..doctor import Examination
from ..doctor.preflight import preflight
from ..worker.launch import Launch, load_app
from .doctor import as_object, print_examination
from .output import print_json, say


def check(launch: Launch, processes: int, schemas: Sequence[str], offline: bool, as_json: bool) -> int:
    """Print what is wrong with these workers before they start. Returns the exit code, as of doctor.

    Args:
        launch: what each process would be told.
        processes: their number, for each install.
        schemas: the installs; empty = that of `launch`.
        offline: check only what needs no database.
        as_json: print one line of JSON for each install.
    """
    codes = []
    for one in [replace(launch, schema=schema) for schema in schemas] or [launch]:
        schema = one.schema if one.schema in schemas else None
        if schema is not None and not as_json:
            say(f"schema {schema}")
        examination = _of(one, processes * max(1, len(schemas)), offline)
        if as_json:
            print_json(({"schema": schema} if schema is not None else {}) | as_object(examination))
        else:
            print_examination(examination)
        codes.append(examination.exit_code)
        if offline:  # it is the same for all of them
            break
    return max(codes)


def _of(launch: Launch, processes: int, offline: bool) -> Examination:
    """The connections of all installs come from one server."""
    loaded, options = load_app(launch), launch.options
    app = in_schema(loaded, loaded.settings.schema_name)  # what the app has opened before is of another install
    queues = [name for name, _ in options.queues]
    return preflight(app, queues, options.concurrency, processes, offline=offline)
