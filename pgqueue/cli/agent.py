"""pgqueue agent."""

import socket
from typing import Annotated

import typer

from ..pools.options import MOST_SLOTS, AgentOptions
from ..pools.run import run_agent
from ..probes.address import LOOPBACK
from ..supervisor.recycle import Recycling
from ..worker import WorkerOptions
from ..worker.launch import Launch
from .log_options import LogFile, LogFormat, LogLevel
from .options import DatabaseUrl, Schema
from .probes import ProbeHost, ProbePort, read_probes
from .recycling import BootTimeout, MaxJobs, MaxLifetime, MaxMemory, MaxMemoryHard, read_recycling


def agent(
    pool: Annotated[str, typer.Argument(metavar="POOL", help="Name of the pool.")],
    slots: Annotated[int, typer.Option(metavar="K", min=1, max=MOST_SLOTS, help="Workers that this machine can run.")],
    app: Annotated[
        str | None,
        typer.Option(metavar="MODULE:APP", help="Refuse to load another app than this one, whatever the pool says."),
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Name shown with the pool; the host by default.")] = None,
    grace: Annotated[
        float, typer.Option(metavar="SECONDS", help="Seconds that running handlers get to end when the agent stops.")
    ] = 30,
    max_jobs: MaxJobs = None,
    max_memory: MaxMemory = None,
    max_memory_hard: MaxMemoryHard = None,
    max_lifetime: MaxLifetime = None,
    boot_timeout: BootTimeout = None,
    probe_port: ProbePort = None,
    probe_host: ProbeHost = LOOPBACK,
    log_format: LogFormat = None,
    log_level: LogLevel = None,
    log_file: LogFile = None,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
) -> None:
    """Run workers of a pool on this machine, as many as the pool has for it. Any number of machines may run agents of a pool.

    SIGTERM or Ctrl-C hands the slots back and ends the workers within the grace, a second signal ends them at once. SIGHUP
    replaces the workers of this agent one by one. When the pool is deleted, the agent ends with exit code 0.
    """
    given = Launch(
        "", WorkerOptions(), database_url, schema, log_format and log_format.value, log_level, log_file
    )  # fmt: skip
    recycling = read_recycling(max_jobs, max_memory, max_memory_hard, max_lifetime, boot_timeout) or Recycling()
    probes = read_probes(probe_port, probe_host)
    options = AgentOptions(pool, slots, name or socket.gethostname(), app, grace, recycling, given, probes)
    raise typer.Exit(run_agent(options))
