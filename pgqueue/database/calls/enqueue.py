"""Enqueuing; see sql/functions/enqueue."""

from collections.abc import Callable, Mapping
from typing import Any, LiteralString, NamedTuple

from ..call import ALWAYS, Call, Rows, within_by_size


class Added(NamedTuple):
    """The id of a job, and whether the job existed before the enqueue."""

    id: int
    duplicate: bool = False


class EnqueueOptions(NamedTuple):
    """Options of one enqueue in types that every driver can send; times, intervals and JSON as text."""

    queue: str = "default"
    priority: int = 0
    run_at: str | None = None
    run_after: str | None = None
    retries: int | None = None
    retry: str | None = None
    result_ttl: str | None = None
    meta: str | None = None
    depends_on: str | None = None
    run_if: str = "succeeded"


class UniqueOptions(NamedTuple):
    """The uniqueness of a job; all None if it is not unique."""

    mode: str | None = None
    key: str | None = None
    period: str | None = None


class LimitOptions(NamedTuple):
    """The limits of a job; see sql/functions/enqueue/enqueue.sql."""

    limits: list[str] | None = None
    fair: str | None = None
    cost: int | None = None
    limits_declared: list[str] | None = None

    def params(self) -> tuple[str | None, str | None, int | None, str | None]:
        """The values in types that every driver can send: keys as the text of an array."""
        return _array(self.limits), self.fair, self.cost, _array(self.limits_declared)


class TimeOptions(NamedTuple):
    """The time limits of a job; times and intervals as text. See sql/functions/enqueue/enqueue.sql."""

    timeout: str | None = None
    soft_timeout: str | None = None
    expires_at: str | None = None
    expires_after: str | None = None
    total_timeout: str | None = None


def _array(texts: list[str] | None) -> str | None:
    """An array as PostgreSQL reads it."""
    if texts is None:
        return None
    elements = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return "{" + ",".join(f'"{element}"' for element in elements) + "}"


QUERY_WITHIN = 600.0  # seconds for an enqueue_select, because the caller's query may take long
# The fields of EnqueueOptions, in their order, and the types in which SQL takes them. Only texts, numbers and truth values
# are sent, each with its type, because every driver can bind them; drivers differ in JSON and times.
_TYPES: Mapping[LiteralString, LiteralString] = {
    "queue": "text", "priority": "int", "run_at": "text::timestamptz", "run_after": "text::interval", "retries": "int",
    "retry": "text::jsonb", "result_ttl": "text::interval", "meta": "text::jsonb", "depends_on": "text::bigint[]",
    "run_if": "text",
}  # fmt: skip
_LIMIT_TYPES: Mapping[LiteralString, LiteralString] = {
    "limits": "text::text[]", "fair": "text", "cost": "int", "limits_declared": "text::text[]",
}  # fmt: skip
_TIME_TYPES: Mapping[LiteralString, LiteralString] = {
    "timeout": "text::interval", "soft_timeout": "text::interval", "expires_at": "text::timestamptz",
    "expires_after": "text::interval", "total_timeout": "text::interval",
}  # fmt: skip
_TRACE_TYPES: Mapping[LiteralString, LiteralString] = {"trace": "text::jsonb"}
JSON_OPTIONS = tuple(name for name, its_type in _TYPES.items() if its_type == "text::jsonb")  # JSON text already


assert tuple(_TYPES) == EnqueueOptions._fields
assert tuple(_LIMIT_TYPES) == LimitOptions._fields
assert tuple(_TIME_TYPES) == TimeOptions._fields


class _Part(NamedTuple):
    """Some arguments of `enqueue`.

    Attributes:
        texts: each as it stands in the statement.
        defaults: what SQL assumes of each if it is not given.
    """

    texts: tuple[LiteralString, ...]
    defaults: tuple[Any, ...]

    def all(self) -> LiteralString:
        """The text of all arguments."""
        return "".join(self.texts)

    def given(self, values: tuple[Any, ...]) -> tuple[LiteralString, tuple[Any, ...]]:
        """The text and the values of those that are not the default: to read an argument takes the server 5 us."""
        if values == self.defaults:
            return "", ()
        pairs = zip(self.texts, values, self.defaults, strict=True)
        given = [(text, value) for text, value, default in pairs if value != default]
        return "".join([text for text, _ in given]), tuple(value for _, value in given)


def _part(types: Mapping[LiteralString, LiteralString], defaults: tuple[Any, ...]) -> _Part:
    return _Part(tuple([f", {name} => %s::{its_type}" for name, its_type in types.items()]), defaults)


def _named(types: Mapping[LiteralString, LiteralString]) -> LiteralString:
    return "".join([f", {name} => %(pgqueue_{name})s::{its_type}" for name, its_type in types.items()])


_OPTIONS = _part({**_TYPES, "notify": "bool"}, (*EnqueueOptions(), True))
_LIMITS = _part(_LIMIT_TYPES, LimitOptions())
_TIMES = _part(_TIME_TYPES, TimeOptions())
_TRACE = _part(_TRACE_TYPES, (None,))
_NO_OTHERS = EnqueueOptions()[2:]  # but queue and priority
_ENQUEUE_PLAIN: LiteralString = "select {schema}.enqueue_plain(%s::text, %s::text::jsonb, %s::text, %s::int, %s::bool"
_ENQUEUE: LiteralString = "select {schema}.enqueue(%s::text, %s::text::jsonb"
_ENQUEUE_MANY: LiteralString = "select {schema}.enqueue_many(%s::text, %s::text::jsonb"


def enqueue(
    task: str,
    args: str,
    options: EnqueueOptions,
    notify: bool,
    limits: LimitOptions | None = None,
    times: TimeOptions | None = None,
    trace: str | None = None,
) -> Call[list[Added]]:
    """Add one job without uniqueness. None: the job has no limits, time limits or trace. What is not given is not sent."""
    if limits is None and times is None and options[2:] == _NO_OTHERS:
        plain = (task, args, *options[:2], notify)
        statement, params = (_ENQUEUE_PLAIN, plain) if trace is None else (_ENQUEUE_PLAIN + ", %s::text::jsonb", (*plain, trace))
        return Call(statement + ")", params, _added, within=within_by_size(args))
    return _adding(_ENQUEUE, _added, Alike(task, args, options, notify, limits, times), trace)


def enqueue_many(
    task: str,
    args: str,
    options: EnqueueOptions,
    notify: bool,
    limits: LimitOptions | None = None,
    times: TimeOptions | None = None,
    trace: str | None = None,
) -> Call[list[Added]]:
    """Add a job per element of a JSON array of arguments, without uniqueness. None: see `enqueue`."""
    return _adding(_ENQUEUE_MANY, _all_added, Alike(task, args, options, notify, limits, times), trace)


class Alike(NamedTuple):
    """One job, or jobs that differ in nothing but their arguments: what `enqueue` and `enqueue_many` take."""

    task: str
    args: str
    options: EnqueueOptions
    notify: bool
    limits: LimitOptions | None
    times: TimeOptions | None


def _adding(statement: LiteralString, read: Callable[[Rows], list[Added]], jobs: Alike, trace: str | None) -> Call[list[Added]]:
    task, args, options, notify, limits, times = jobs
    params: tuple[Any, ...] = (task, args)
    for part, values in (
        (_OPTIONS, (*options, notify)),
        (_LIMITS, limits and limits.params()),
        (_TIMES, times),
        (_TRACE, trace and (trace,)),
    ):
        if values:
            text, given = part.given(values)
            statement, params = statement + text, params + given
    return Call(statement + ")", params, read, within=within_by_size(args))


# Ids become int here: on a connection of the application its own adapters may have read them.
def _added(rows: Rows) -> list[Added]:
    return [Added(int(rows[0][0]))]


def _all_added(rows: Rows) -> list[Added]:
    return [Added(int(id)) for id in rows[0][0]]


def enqueue_groups(groups: list[Alike], trace: str | None) -> Call[list[list[Added]]]:
    """Add several groups of jobs, each as `enqueue_many` does, all or none. Returns the jobs of each group."""
    named = "".join([part.all() for part in (_OPTIONS, _LIMITS, _TIMES, _TRACE)])
    one: LiteralString = _ENQUEUE_MANY.removeprefix("select ") + named + ")"
    statement: LiteralString = "select " + ", ".join([one] * len(groups))
    params = [
        value
        for task, args, options, notify, limits, times in groups
        for value in (task, args, *options, notify, *(limits or LimitOptions()).params(), *(times or TimeOptions()), trace)
    ]
    within = within_by_size("".join(group.args for group in groups))
    return Call(statement, params, lambda rows: [[Added(int(id)) for id in ids] for ids in rows[0]], within=within)


def enqueue_jobs(jobs: list[str], held_for: float = 0.0) -> Call[list[Added]]:
    """Add a job per JSON object with the options of `enqueue`, by enqueue_many.

    `held_for`: seconds for which each is unique whatever becomes of it, so that a second enqueue finds it. In other modes it may
    have been run already, and would be added once more.
    """
    statement: LiteralString = "select id, duplicate from {schema}.enqueue_many(%s::text::jsonb)"
    text = f"[{','.join(jobs)}]"
    return Call(statement, (text,), _each_added, within=within_by_size(text), repeat_within=held_for)


def _each_added(rows: Rows) -> list[Added]:
    return [Added(int(id), duplicate) for id, duplicate in rows]


# Batches, because an array is at most 1 GB. The query is the caller's own text, in their statement and with their rights.
_SELECT_TYPES: Mapping[LiteralString, LiteralString] = {
    **_TYPES, "unique_mode": "text", "unique_key": "text", "unique_period": "text::interval", "arguments": "text::jsonb",
    "notify": "bool",
}  # fmt: skip
_ENQUEUE_SELECT: LiteralString = "select coalesce(sum({schema}.enqueue_select(%(pgqueue_task)s::text, batch.args" + _named(
    _SELECT_TYPES
)
_SELECT_LIMITS: LiteralString = _named(_LIMIT_TYPES)
_SELECT_TIMES: LiteralString = _named(_TIME_TYPES)
_SELECT_TRACE: LiteralString = _named(_TRACE_TYPES)
_SELECT_FROM: LiteralString = (
    ")), 0)::bigint from (select array_agg(args) as args "
    "from (select to_jsonb(q) as args, row_number() over () as number from (\n{query}\n) q) row "
    "group by number / 10000 order by number / 10000) batch"
)


def enqueue_select(
    task: str,
    arguments: str,
    query: str,
    params: Mapping[str, Any],
    options: EnqueueOptions,
    unique: UniqueOptions,
    notify: bool,
    limits: LimitOptions | None = None,
    times: TimeOptions | None = None,
    trace: str | None = None,
) -> Call[int]:
    """Add a job per row of a query. Returns how many. `arguments`: the names that the task takes, as in SQL."""
    ours = {"task": task, "arguments": arguments, "notify": notify, **options._asdict()}
    ours |= {f"unique_{name}": value for name, value in unique._asdict().items()}
    statement = _ENQUEUE_SELECT
    if limits is not None:
        ours |= dict(zip(limits._fields, limits.params(), strict=True))
        statement += _SELECT_LIMITS
    if times is not None:
        ours |= times._asdict()
        statement += _SELECT_TIMES
    if trace is not None:
        ours["trace"] = trace
        statement += _SELECT_TRACE
    named = {**params, **{f"pgqueue_{name}": value for name, value in ours.items()}}
    return Call(
        statement + _SELECT_FROM, named, lambda rows: int(rows[0][0]), query=query.strip().rstrip(";"), within=QUERY_WITHIN
    )


def find_duplicate(task: str, args: str, unique: UniqueOptions) -> Call[int | None]:
    """The id of the job that has the key of a unique job."""
    return Call(
        "select {schema}.find_duplicate(%s::text, %s::text::jsonb, %s::text, %s::text)",
        (task, args, unique.mode, unique.key),
        lambda rows: None if rows[0][0] is None else int(rows[0][0]),
        repeat_within=ALWAYS,
    )


class KeyHolder(NamedTuple):
    """Whether a job has a key (None: there is no such job), and the live job that holds it now."""

    is_unique: bool | None
    holder: int | None


def key_holder(job_id: int) -> Call[KeyHolder]:
    """Who holds the key of a unique job now."""
    return Call(
        "select is_unique, holder from {schema}.key_holder(%s::bigint)",
        (job_id,),
        lambda rows: KeyHolder(*rows[0]),
        repeat_within=ALWAYS,
    )
