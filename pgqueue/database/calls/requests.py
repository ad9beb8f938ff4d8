"""Requests that may come twice; see sql/functions/requests."""

from typing import Literal, NamedTuple

from ..call import ALWAYS, Call, Rows, one_value, within_by_size
from .enqueue import Added


class Once(NamedTuple):
    """What became of a request.

    Attributes:
        said: enqueued; repeated: it was done before; running: the first one has not ended; other: its key is that of another one.
        added: its jobs; empty unless it was enqueued, now or before.
    """

    said: Literal["enqueued", "repeated", "running", "other"]
    added: list[Added]


def enqueue_once(owner: str, key: str, digest: bytes, jobs: list[str]) -> Call[Once]:
    """Add a job per JSON object with the options of `enqueue`, unless this request of this owner has done so in the last day."""
    text = f"[{','.join(jobs)}]"
    return Call(
        "select said, ids, duplicates from {schema}.enqueue_once(%s::text, %s::text, %s::bytea, %s::text::jsonb)",
        (owner, key, digest, text),
        _once,
        within=within_by_size(text),
        repeat_within=ALWAYS,
    )


def first_refused(jobs: list[str]) -> Call[int | None]:
    """The place of the first of these jobs that enqueue_many refuses; None: it refuses none."""
    text = f"[{','.join(jobs)}]"
    return Call(
        "select {schema}.first_refused(%s::text::jsonb)", (text,), one_value, within=within_by_size(text), repeat_within=ALWAYS
    )


def _once(rows: Rows) -> Once:
    said, ids, duplicates = rows[0]
    return Once(said, [Added(*each) for each in zip(ids or (), duplicates or (), strict=True)])
