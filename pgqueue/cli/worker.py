"""pgqueue worker."""

from typing import Annotated

import typer

from ..errors import ConfigurationError
from ..probes.address import LOOPBACK
from ..worker import WorkerOptions
from ..worker.launch import Launch, load_app, run
from ..worker.machine import whole_cores
from .installs import Schemas, chosen
from .log_options import LogFile, LogFormat, LogLevel
from .options import DatabaseUrl, Schema
from .probes import ProbeHost, ProbePort, read_probes
from .recycling import BootTimeout, MaxJobs, MaxLifetime, MaxMemory, MaxMemoryHard, Reload, read_recycling, watched

MOST_PROCESSES = 1000


def worker(
    app: Annotated[str, typer.Argument(metavar="MODULE:APP", help="Location of the PgQueue object; APP defaults to `app`.")],
    queues: Annotated[
        str, typer.Option(metavar="LIST", help="Queues with weights: mail=3,default. By default all queues of the app's tasks.")
    ] = "",
    strict: Annotated[
        bool, typer.Option("--strict", help="Serve queues strictly in the given order and ignore weights.")
    ] = False,
    concurrency: Annotated[int, typer.Option(metavar="N", help="Number of jobs that each process runs at once.")] = 100,
    processes: Annotated[
        str, typer.Option(metavar="N", help="Number of processes, or auto: one per CPU. A process that dies is replaced.")
    ] = "1",
    burst: Annotated[bool, typer.Option("--burst", help="Stop when no job runs or may start now.")] = False,
    grace: Annotated[
        float, typer.Option(metavar="SECONDS", help="Seconds that running handlers get to end when the worker stops.")
    ] = 30,
    timeout_grace: Annotated[
        float,
        typer.Option(metavar="SECONDS", help="Seconds that a handler gets to end after its timeout before its slot is lost."),
    ] = 5,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name shown by `pgqueue workers`; host:pid by default.")
    ] = None,
    max_jobs: MaxJobs = None,
    max_memory: MaxMemory = None,
    max_memory_hard: MaxMemoryHard = None,
    max_lifetime: MaxLifetime = None,
    boot_timeout: BootTimeout = None,
    reload: Reload = False,
    probe_port: ProbePort = None,
    probe_host: ProbeHost = LOOPBACK,
    check: Annotated[
        bool,
        typer.Option("--check", help="Start nothing: say what is wrong with app, options and database."),
    ] = False,
    offline: Annotated[bool, typer.Option("--offline", help="With --check: only what needs no database.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --check: print JSON, one object for each install.")] = False,
    schemas: Schemas = None,
    log_format: LogFormat = None,
    log_level: LogLevel = None,
    log_file: LogFile = None,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
) -> None:
    """Run jobs, and log to stdout. SIGTERM or Ctrl-C ends the worker within the grace, a second signal ends it at once.

    SIGHUP replaces all processes one after another, so that they load new code; SIGUSR1 writes all their stacks to stderr.

    Exit code 75: start another worker. It was told to restart, or too many handlers did not end after their timeout.
    `python -m pgqueue.worker` is the same.
    With --check: 0 = all is well or there are only notes, 1 = warnings, 2 = errors.
    """
    options = WorkerOptions(parse_queues(queues), strict, concurrency, burst, grace, name, timeout_grace=timeout_grace)
    launch = Launch(app, options, database_url, schema, log_format and log_format.value, log_level, log_file)
    recycling = read_recycling(max_jobs, max_memory, max_memory_hard, max_lifetime, boot_timeout)
    probes = read_probes(probe_port, probe_host)
    installs = [] if schemas is None else chosen(schemas, schema, load_app(launch))
    number = parse_processes(processes)
    # Here, because a plain worker needs neither, and starts sooner.
    if check:
        from .worker_check import check as check_start

        raise typer.Exit(check_start(launch, number, installs, offline, as_json))
    if as_json:
        raise ConfigurationError("json: a worker that runs prints no JSON; add --check, or use --log-format json for its log")
    if installs or number > 1 or recycling is not None or reload:
        from ..supervisor.supervise import supervise

        raise typer.Exit(supervise(launch, number, recycling, watched(reload), probes, installs))
    raise typer.Exit(run(launch, probes=probes))


def parse_processes(text: str) -> int:
    """The number of processes in "4" or "auto".

    Raises:
        ConfigurationError: it is neither auto nor a number from 1 to 1000.
    """
    if text == "auto":
        return whole_cores()
    if not (text.isascii() and text.isdecimal() and len(text) <= 4 and 1 <= int(text) <= MOST_PROCESSES):
        raise ConfigurationError(f"processes: {text[:200]!r} is not valid; use 1 to {MOST_PROCESSES}, or auto")
    return int(text)


def parse_queues(text: str) -> tuple[tuple[str, float], ...]:
    """The queues and weights in "mail=3,default"; the default weight is 1.

    Raises:
        ConfigurationError: a name is missing or a weight is not a number.
    """
    return tuple(_queue(part.strip()) for part in text.split(",")) if text else ()


def _queue(text: str) -> tuple[str, float]:
    name, _, weight = text.partition("=")
    try:
        if not name:
            raise ValueError
        return name, float(weight or 1)
    except ValueError:
        raise ConfigurationError(
            f"queues: {text!r} is not valid; give names with weights, for example mail=3,default=1"
        ) from None
