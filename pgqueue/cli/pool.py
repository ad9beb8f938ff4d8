"""pgqueue pool: one pool with its slots, workers, agents and last events."""

from typing import Annotated

import typer

from ..database.calls import pool_reads as reads
from .options import AsJson, DatabaseUrl, Limit, Schema
from .output import print_counted, print_facts, print_json, print_table
from .pool_view import EVENTS, SPARE_EVENTS, found, readable, readable_event
from .session import Session
from .shape import tabular

FACTS = (
    "state", "app", "queues", "concurrency", "wanted", "running", "outdated", "bounds", "autoscale", "rules", "ready", "oldest",
    "agents", "places", "generation", "max_unavailable", "created_at", "checked_at",
)  # fmt: skip
WORKERS = ("slot", "status", "host", "worker", "running", "generation", "leaving", "started_at", "heartbeat_at")
AGENTS = ("name", "host", "pid", "status", "slots", "taken", "version", "started_at", "heartbeat_at")


@tabular(FACTS, WORKERS, AGENTS, EVENTS)
def pool(
    name: Annotated[str, typer.Argument(help="Name of the pool.")],
    limit: Limit = 10,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Show one pool: its slots with their workers, its agents, and its last events."""
    with Session(database_url, schema) as database:
        row = found(database, name)
        workers, agents = database.run(reads.pool_workers(name)), database.run(reads.pool_agents(name))
        events = database.run(reads.pool_events(name, limit))
    if as_json:
        parts = {
            "workers": [one._asdict() for one in workers],
            "agents": [one._asdict() for one in agents],
            "events": [one._asdict() for one in events],
        }
        print_json(row._asdict() | parts)
        return
    print_facts(f"pool {name}", readable(row), FACTS)
    print_counted([row._asdict()])
    slots = [one._asdict() for one in workers]
    print_table("slots", slots, WORKERS, spare=("started_at", "generation", "leaving", "heartbeat_at", "host"))
    print_table(
        "agents", [one._asdict() for one in agents], AGENTS, spare=("started_at", "version", "pid", "heartbeat_at", "host")
    )
    print_table("events", [readable_event(one) for one in events], EVENTS, wide=("reason", "figures"), spare=SPARE_EVENTS)
