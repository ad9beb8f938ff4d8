"""Verbs on all jobs of a filter: each is an operation, see sql/functions/operations."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypedDict, Unpack

from .._checks import Duration, Priority, check_quantity, interval, invalid, read_duration, read_priority, read_text, read_time
from .._json import loads
from .._text import shortened, storable
from ..codec.open import dump_open
from ..database.calls import operations as calls
from ..database.calls.operations import Order
from ..errors import InvalidArgument
from ..registry import Registry
from .operation import Operation
from .rules import Rules, rules_json


class Orders(TypedDict, total=False):
    """How a bulk verb is carried out.

    Attributes:
        by: who asks for it, up to 200 characters; the database user by default.
        reason: why, up to 1,000 characters; kept with the operation.
        dry_run: count what would become of the jobs, and change nothing; False by default.
        per_second: the most jobs to act on in a second, over all workers; no limit by default.
        all: needed for a filter that names nothing; False by default.
    """

    by: str | None
    reason: str | None
    dry_run: bool
    per_second: float | None
    all: bool


class Bulk:
    """The verbs of `Jobs`. Each fixes the jobs of the filter as they are now, and acts on them in the order of their ids, once on
    each: on a few hundred before it returns, on the others in the workers, whatever becomes of this process.

    A job whose state does not allow the verb is skipped, and the operation counts why.
    """

    _client: Registry
    _filter: str

    def cancel(self, *, force: bool = False, force_after: Duration | None = None, **orders: Unpack[Orders]) -> Operation:
        """Cancel all of them: waiting ones at once, running ones are asked to stop. `reason` is kept with each.

        Args:
            force: end running jobs in the database at once, whatever their handlers do.
            force_after: end those that still run after this time; seconds or a timedelta.
            orders: see `Orders`.

        Raises:
            InvalidArgument: the filter or an option is invalid, or the filter names nothing and `all` is not given.
        """
        return self._start("cancel", _cancel_spec(force, force_after), orders)

    async def acancel(self, *, force: bool = False, force_after: Duration | None = None, **orders: Unpack[Orders]) -> Operation:
        """`cancel` for async code."""
        return await self._astart("cancel", _cancel_spec(force, force_after), orders)

    def retry(
        self,
        *,
        rules: Rules = "job",
        keep_attempts: bool = False,
        run_after: Duration | None = None,
        force: bool = False,
        **orders: Unpack[Orders],
    ) -> Operation:
        """Run all of them again: the dead letters, unless the filter names other states.

        Args:
            rules: "job": each keeps the retry policy that it was enqueued with (default); "task": it takes the one that its task
                has now in this app.
            keep_attempts: attempts go on counting; by default each job has all its attempts again.
            run_after: delay of each; seconds or a timedelta.
            force: also jobs that were retried three times already.
            orders: see `Orders`; `per_second` keeps a recovered service from being flooded.

        Raises:
            InvalidArgument: as for `cancel`.
        """
        return self._start("retry", self._retry_spec(rules, keep_attempts, run_after, force), orders)

    async def aretry(
        self,
        *,
        rules: Rules = "job",
        keep_attempts: bool = False,
        run_after: Duration | None = None,
        force: bool = False,
        **orders: Unpack[Orders],
    ) -> Operation:
        """`retry` for async code."""
        return await self._astart("retry", self._retry_spec(rules, keep_attempts, run_after, force), orders)

    def discard(self, **orders: Unpack[Orders]) -> Operation:
        """Remove dead letters for good.

        Args:
            orders: see `Orders`.

        Raises:
            InvalidArgument: as for `cancel`.
        """
        return self._start("discard", {}, orders)

    async def adiscard(self, **orders: Unpack[Orders]) -> Operation:
        """`discard` for async code."""
        return await self._astart("discard", {}, orders)

    def update(
        self,
        *,
        args: Mapping[str, Any] | None = None,
        priority: Priority | None = None,
        run_at: datetime | None = None,
        run_after: Duration | None = None,
        queue: str | None = None,
        **orders: Unpack[Orders],
    ) -> Operation:
        """Change all of them that have not started; None does not change a value.

        Args:
            args: all arguments, by name, of each of them.
            priority, run_at, run_after: as in `Task.using`; `run_after` counts from now.
            queue: where they wait from now on, also if that one is full.
            orders: see `Orders`.

        Raises:
            InvalidArgument: as for `cancel`; or nothing is to change.
        """
        return self._start("update", _update_spec(args, priority, run_at, run_after, queue), orders)

    async def aupdate(
        self,
        *,
        args: Mapping[str, Any] | None = None,
        priority: Priority | None = None,
        run_at: datetime | None = None,
        run_after: Duration | None = None,
        queue: str | None = None,
        **orders: Unpack[Orders],
    ) -> Operation:
        """`update` for async code."""
        return await self._astart("update", _update_spec(args, priority, run_at, run_after, queue), orders)

    def _start(self, kind: str, spec: Mapping[str, Any], orders: Orders) -> Operation:
        return Operation(self._client, self._client.database.run(calls.start_operation(self._order(kind, spec, orders))))

    async def _astart(self, kind: str, spec: Mapping[str, Any], orders: Orders) -> Operation:
        call = calls.start_operation(self._order(kind, spec, orders))
        return Operation(self._client, await self._client.async_database.run(call))

    def _retry_spec(self, rules: Rules, keep_attempts: bool, run_after: Duration | None, force: bool) -> dict[str, Any]:
        policies = rules_json(self._client.tasks, rules)
        return {
            "rules": None if policies is None else loads(policies),
            "keep_attempts": _flag("keep_attempts", keep_attempts) or None,
            "run_after": _interval("run_after", run_after),
            "force": _flag("force", force) or None,
        }

    def _order(self, kind: str, spec: Mapping[str, Any], orders: Orders) -> Order:
        for name in orders.keys() - Orders.__annotations__.keys():  # else a misspelt dry_run would be no dry run
            known = ", ".join(Orders.__annotations__)
            raise InvalidArgument(f"{kind}: it has no option {shortened(name)}; use {known}, or those of this verb alone")
        per_second = orders.get("per_second")
        return Order(
            kind,
            self._filter,
            _dumped(spec),
            read_text("by", orders.get("by")),
            read_text("reason", orders.get("reason")),
            _flag("dry_run", orders.get("dry_run")),
            None if per_second is None else check_quantity("per_second", per_second),
            _flag("all", orders.get("all")),
        )


def _flag(field: str, given: bool | None) -> bool:
    if given is not None and not isinstance(given, bool):
        raise invalid(field, given, "use True or False")
    return bool(given)


def _cancel_spec(force: bool, force_after: Duration | None) -> dict[str, Any]:
    return {"force": _flag("force", force) or None, "force_after": _interval("force_after", force_after)}


def _update_spec(
    args: Mapping[str, Any] | None,
    priority: Priority | None,
    run_at: datetime | None,
    run_after: Duration | None,
    queue: str | None,
) -> dict[str, Any]:
    return {
        "args": args if args is None else _by_name(args),
        "priority": None if priority is None else read_priority(priority),
        "run_at": None if run_at is None else read_time("run_at", run_at).isoformat(),
        "run_after": _interval("run_after", run_after),
        "queue": queue if queue is None else storable("queue", queue),
    }


def _by_name(args: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(args, Mapping):
        raise invalid("args", args, "give all arguments by name, for example {'user_id': 1}")
    return dict(args)


def _dumped(spec: Mapping[str, Any]) -> str:
    """The options of a verb as JSON text; only arguments can be what JSON does not have."""
    try:
        return dump_open({name: value for name, value in spec.items() if value is not None})
    except ValueError as error:
        raise InvalidArgument(f"args: {shortened(spec['args'])} is not valid; use JSON values: {error}") from None


def _interval(field: str, given: Duration | None) -> str | None:
    return None if given is None else interval(read_duration(field, given))
