"""The steps and signals of a job in `pgqueue job`, and pgqueue signal."""

from typing import Annotated, Any

import typer

from .._checks import read_id
from ..database.calls import steps as step_calls
from ..steps.memory import check_name
from .enqueue import json_of
from .options import AsJson, DatabaseUrl, Schema
from .output import print_json, print_table, say
from .secrets import named
from .session import Session

STEPS = ("step", "value", "started_at", "took", "attempt")
SIGNALS = ("signal", "state", "payload", "waited_at", "until", "ended_at")


def signal(
    id: Annotated[int, typer.Argument(help="Id of the job.")],
    name: Annotated[str, typer.Argument(help="Name of the signal.")],
    payload: Annotated[str | None, typer.Argument(help="""What the job is told, as JSON: '{"by": "ann"}'""")] = None,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Tell a job something that it waits for, or will wait for. Exit code 1 if it has this signal already, or has timed out."""
    text = None if payload is None else json_of("payload", payload)
    call = step_calls.signal(read_id("id", id), check_name("name", name), text)
    with Session(database_url, schema) as database:
        is_stored = database.run(call)
    if as_json:
        print_json({"id": id, "signal": name, "stored": is_stored})
    elif is_stored:
        say(f"job {id} has signal {name!r}")
    else:
        say(f"job {id} has signal {name!r} already, or does not wait for it any more; nothing was changed")
    raise typer.Exit(0 if is_stored else 1)


def remembered(database: Session, id: int) -> dict[str, Any]:
    """The steps and the signals of a job, by these names."""
    steps, signals = database.run(step_calls.steps(id)), database.run(step_calls.signals(id))
    return {
        "steps": [step | {"value": named(step["name"], step["value"])} for step in steps],
        "signals": [signal | {"payload": named(signal["name"], signal["payload"])} for signal in signals],
    }


def print_remembered(row: dict[str, Any]) -> None:
    """The steps of a job, and the signals that it has or waits for."""
    if steps := row["steps"]:
        timed = [step | {"took": (step["ended_at"] - step["started_at"]).total_seconds()} for step in steps]
        print_table(
            "steps",
            [_named("step", step) for step in timed],
            STEPS,
            wide=("value",),
            spare=("attempt", "took", "started_at", "value"),
        )
    if signals := row["signals"]:
        told = [_named("signal", signal) | {"state": _state(signal)} for signal in signals]
        print_table("signals", told, SIGNALS, wide=("payload",), spare=("waited_at", "until", "ended_at", "payload"))


def _named(name: str, row: dict[str, Any]) -> dict[str, Any]:
    return row | {name: row["name"]}


def _state(signal: dict[str, Any]) -> str:
    return "waits" if signal["ended_at"] is None else "timed out" if signal["timed_out"] else "has come"
