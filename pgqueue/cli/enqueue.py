"""pgqueue enqueue."""

import json
from collections import Counter
from typing import Annotated

import psycopg
import typer

from .._checks import PRIORITIES
from ..database.calls import enqueue as enqueue_calls
from ..errors import InvalidArgument
from ..limits.cost import read_cost
from .options import AsJson, DatabaseUrl, Schema
from .output import print_json, say
from .session import Session


def enqueue(
    task: Annotated[str, typer.Argument(help="Name of the task.")],
    args: Annotated[str, typer.Argument(help="""Arguments by name, as JSON: '{"to": 1}'""")] = "{}",
    queue: Annotated[str, typer.Option(metavar="NAME", help="Its queue.")] = "default",
    priority: Annotated[str, typer.Option(metavar="N", help="-100 to 100, larger runs first; or low, medium, high.")] = "0",
    run_after: Annotated[
        str | None,
        typer.Option(
            metavar="INTERVAL",
            help="Delay before the job may start: seconds, or a PostgreSQL interval such as '5 minutes' or 2h.",
        ),
    ] = None,
    timeout: Annotated[str | None, typer.Option(metavar="INTERVAL", help="How long one run may take.")] = None,
    soft_timeout: Annotated[
        str | None, typer.Option(metavar="INTERVAL", help="When to log a warning; by default after 80% of the timeout.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="INTERVAL", help="How late the job may start; after that it is cancelled.")
    ] = None,
    total_timeout: Annotated[
        str | None, typer.Option(metavar="INTERVAL", help="How long all its runs and the waits in between may take.")
    ] = None,
    retries: Annotated[int | None, typer.Option(metavar="N", help="Number of retries after a failure; 3 by default.")] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY", help="Key of a limit for this job, such as openai or tenant:42; may be repeated."),
    ] = None,
    fair: Annotated[str | None, typer.Option(metavar="KEY", help="Fair key: jobs of different keys take turns.")] = None,
    cost: Annotated[
        int | None, typer.Option(metavar="N", help="Tokens that the start takes from each limit; 1 by default.")
    ] = None,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Add a job. The task need not be known here: a worker that has it will run it."""
    options = enqueue_calls.EnqueueOptions(queue, priority_of(priority), run_after=run_after, retries=retries)
    times = enqueue_calls.TimeOptions(timeout, soft_timeout, None, expires, total_timeout)
    given = times if any(times) else None
    call = enqueue_calls.enqueue(task, args_of(args), options, True, _limits(limit, fair, cost), given)
    with Session(database_url, schema) as database:
        try:
            (added,) = database.run(call)
        except (psycopg.errors.InvalidDatetimeFormat, psycopg.errors.IntervalFieldOverflow) as error:
            intervals = {"run_after": run_after, **times._asdict()}
            raise InvalidArgument(_no_interval(str(error), intervals)) from None
    if as_json:
        print_json({"id": added.id})
    else:
        say(f"job {added.id}")


def _no_interval(said: str, intervals: dict[str, str | None]) -> str:
    """The message for an interval that PostgreSQL cannot read; it quotes the value and does not say which it was."""
    names = {"expires_after": "expires"}
    wrong = [(name, text) for name, text in intervals.items() if text is not None and f'"{text}"' in said]
    name, text = wrong[0] if wrong else ("interval", said)
    return f"{names.get(name, name)}: {text!r} is not valid; use seconds, '5 minutes' or 2h"


def _limits(keys: list[str] | None, fair: str | None, cost: int | None) -> enqueue_calls.LimitOptions | None:
    if cost is not None:
        read_cost(cost)
    given = enqueue_calls.LimitOptions(keys or None, fair, cost)
    return None if given == enqueue_calls.LimitOptions() else given


def priority_of(text: str) -> int:
    """A priority: a number or a name. Raises InvalidArgument."""
    try:
        return PRIORITIES[text] if text in PRIORITIES else int(text)
    except ValueError:
        raise InvalidArgument(f"priority: {text!r} is not valid; use low, medium, high or -100 to 100") from None


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Refuse repeated keys, because PostgreSQL would keep only the last value."""
    twice = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
    if twice:
        raise ValueError(f"the key {twice[0]!r} is given twice")
    return dict(pairs)


def _no_constant(name: str) -> None:
    raise ValueError(f"JSON has no {name}")


def args_of(text: str) -> str:
    """The text, if it is JSON in which no key is repeated. Raises InvalidArgument."""
    return json_of("args", text, "give an object, for example '{\"to\": 1}'")


def json_of(field: str, text: str, remedy: str = "give JSON, for example '{\"by\": 1}' or '\"text\"'") -> str:
    """The text, if it is JSON in which no key is repeated. Raises InvalidArgument."""
    try:
        json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"{field}: {text[:200]!r} is not JSON ({error}); {remedy}") from None
    return text
