"""Keys of the REST API; see sql/functions/keys."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import LiteralString, NamedTuple

from ..acting import actor
from ..call import ALWAYS, Call, Keys, Rows, nothing, one_value


class KeySpec(NamedTuple):
    """What a new key is for.

    Attributes:
        name: for people; two keys of one name replace each other.
        role: viewer, producer, worker, operator or admin.
        queues: the only queues that it may see and use; None = all.
        may_read_arguments: whether it sees arguments, results and errors of jobs.
        expires_at: when it ends, as text; None = never, or `expires_after`.
        expires_after: seconds until it ends; None = never, or `expires_at`.
    """

    name: str
    role: str
    queues: list[str] | None = None
    may_read_arguments: bool = True
    expires_at: str | None = None
    expires_after: float | None = None


class FoundKey(NamedTuple):
    """A key that is valid now.

    Attributes:
        hash: SHA-256 of its secret.
        name, role, queues, may_read_arguments: as in `KeySpec`.
        valid_for: until it expires; None = for ever.
    """

    hash: bytes
    name: str
    role: str
    queues: list[str] | None
    may_read_arguments: bool
    valid_for: timedelta | None


class ApiKey(NamedTuple):
    """A key without its secret: a row of the view `api_keys`."""

    id: str
    name: str
    role: str
    queues: list[str] | None
    may_read_arguments: bool
    status: str
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    revoked_by: str | None
    last_used_at: datetime | None


_KEYS: LiteralString = (
    "select id, name, role, queues, may_read_arguments, status, created_at, created_by, expires_at, revoked_at, revoked_by, "
    "last_used_at from {schema}.api_keys "
)


def create_key(id: str, hash: bytes, spec: KeySpec) -> Call[datetime | None]:
    """Store a key with the digest of its secret. Returns when it expires."""
    return Call(
        "select {schema}.create_key(%s::text, decode(%s::text, 'hex'), %s::text, %s::text, %s::text[], %s::bool, "
        "%s::text::timestamptz, %s::text, make_interval(secs => %s::float8))",
        (id, hash.hex(), *spec[:-1], actor(), spec.expires_after),
        one_value,
    )


def revoke_key(id: str, reason: str | None = None) -> Call[bool]:
    """End a key, at once and for good. Returns whether it was not revoked before."""
    return Call(
        "select {schema}.revoke_key(%s::text, %s::text, %s::text)", (id, actor(), reason), one_value, repeat_within=ALWAYS
    )


def find_key(id: str) -> Call[FoundKey | None]:
    """A key that is valid now, by its public part."""
    return Call(
        "select hash, name, role, queues, may_read_arguments, valid_for from {schema}.find_key(%s::text)",
        (id,),
        lambda rows: FoundKey(*rows[0]) if rows else None,
        repeat_within=ALWAYS,
    )


def has_keys() -> Call[bool]:
    """Whether there has ever been a key: then no request is served without one."""
    return Call("select {schema}.has_keys()", (), one_value, repeat_within=ALWAYS)


def note_key_used(ids: Collection[str]) -> Call[None]:
    """Note that these keys are in use; at most once a minute a key is written."""
    return Call("select {schema}.note_key_used(%s::text[])", (list(ids),), nothing, repeat_within=ALWAYS)


def keys(limit: int, after: Keys = (None, None)) -> Call[list[ApiKey]]:
    """Keys, the newest first. `after`: when the last one of the page before was made, and its id."""
    return Call(
        _KEYS + "where (created_at, id) < (coalesce(%s::text::timestamptz, 'infinity'), %s::text) "
        "order by created_at desc, id desc limit %s::int",
        (after[0], after[1] or "", limit),
        _keys,
        repeat_within=ALWAYS,
    )


def key(id: str) -> Call[list[ApiKey]]:
    """One key, as a list of at most one."""
    return Call(_KEYS + "where id = %s::text", (id,), _keys, repeat_within=ALWAYS)


def _keys(rows: Rows) -> list[ApiKey]:
    return [ApiKey(*row) for row in rows]
