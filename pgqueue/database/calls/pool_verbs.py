"""What people do with pools; see sql/functions/pools."""

from typing import NamedTuple

from ..acting import actor
from ..call import Call, nothing, one_value


class PoolValues(NamedTuple):
    """What a pool is; None = its default, or as it is.

    Attributes:
        app: "module:attribute" of the PgQueue object that its workers import.
        queues: with weights as on the command line: "mail=3"; an empty list = all queues of the app.
        concurrency: jobs that each worker runs at once.
        wanted: workers that shall run.
        minimum, maximum: what `wanted` may be.
        max_unavailable: workers that a roll replaces at a time.
    """

    app: str | None = None
    queues: list[str] | None = None
    concurrency: int | None = None
    wanted: int | None = None
    minimum: int | None = None
    maximum: int | None = None
    max_unavailable: int | None = None


def make_pool(name: str, values: PoolValues, autoscale: bool | None = None, rules: str | None = None) -> Call[None]:
    """Make a pool; `rules` of its autoscaler are JSON text."""
    return Call(
        "select {schema}.make_pool(%s::text, %s::text, %s::text[], %s::int, %s::int, %s::int, %s::int, %s::int, %s::bool, "
        "%s::text::jsonb, %s::text)",
        (name, *values, autoscale, rules, actor()),
        nothing,
    )


def set_pool(name: str, values: PoolValues) -> Call[bool]:
    """Change a pool. Returns whether anything has changed."""
    return Call(
        "select {schema}.set_pool(%s::text, %s::text, %s::text[], %s::int, %s::int, %s::int, %s::int, %s::int, %s::text)",
        (name, *values, actor()),
        one_value,
    )


def scale_pool(name: str, wanted: int | None = None, change: int | None = None, reason: str | None = None) -> Call[int]:
    """Say how many workers shall run, or how many more or fewer. Returns how many are wanted now."""
    return Call(
        "select {schema}.scale_pool(%s::text, %s::int, %s::int, %s::text, %s::text)",
        (name, wanted, change, actor(), reason),
        one_value,
    )


def set_autoscale(name: str, is_on: bool | None, rules: str | None = None) -> Call[None]:
    """Whether a pool scales itself, and by which rules (JSON text); None = as it is."""
    return Call(
        "select {schema}.set_autoscale(%s::text, %s::bool, %s::text::jsonb, %s::text)", (name, is_on, rules, actor()), nothing
    )


def roll_pool(name: str, max_unavailable: int | None = None, reason: str | None = None) -> Call[int]:
    """Replace all workers. Returns the generation that is to run now."""
    return Call(
        "select {schema}.roll_pool(%s::text, %s::int, %s::text, %s::text)", (name, max_unavailable, actor(), reason), one_value
    )


def pause_pool(name: str, reason: str | None = None) -> Call[bool]:
    """End all workers until the pool is resumed. Returns False if it was paused."""
    return Call("select {schema}.pause_pool(%s::text, %s::text, %s::text)", (name, actor(), reason), one_value)


def resume_pool(name: str, reason: str | None = None) -> Call[bool]:
    """Let the workers run again. Returns False if it was not paused."""
    return Call("select {schema}.resume_pool(%s::text, %s::text, %s::text)", (name, actor(), reason), one_value)


def delete_pool(name: str, now: bool = False, reason: str | None = None) -> Call[bool]:
    """End all workers and remove the pool. Returns whether it is gone."""
    return Call("select {schema}.delete_pool(%s::text, %s::bool, %s::text, %s::text)", (name, now, actor(), reason), one_value)
