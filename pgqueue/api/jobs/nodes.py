"""Workflows of requests as enqueue_workflow in SQL takes them."""

import heapq
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any, NamedTuple, cast

from ..._json import dumps, loads
from ...database.calls.enqueue import EnqueueOptions, LimitOptions
from ...errors import InvalidArgument
from ...limits.keys import completed, limiting
from ...options import GivenOptions, Options, given
from ...registry import Registered
from ...unique import Unique
from .. import exact
from ..bodies.enqueue import UniqueIn
from ..bodies.workflows import CallIn, NodeIn, WorkflowIn
from ..problems import invalid

Tasks = Mapping[str, Registered[Any]]
_AS_THEY_ARE = ("queue", "priority", "run_at", "run_after", "timeout", "soft_timeout", "total_timeout", "limits", "fair", "cost",
                "result_ttl")  # fmt: skip


class Written(NamedTuple):
    """A workflow on its way to the database.

    Attributes:
        nodes: the JSON array, parents before their children.
        places: the place of each node of the request in it.
        on_success, on_failure: calls as JSON text.
        queues: all that its jobs go to.
    """

    nodes: str
    places: list[int]
    on_success: str | None
    on_failure: str | None
    queues: set[str]


def written(flow: WorkflowIn, tasks: Tasks) -> Written:
    """A workflow for SQL; `tasks` are those that this server knows.

    Raises:
        Problem, InvalidArgument: nodes wait for each other in a cycle, or a value is invalid; the message names the node.
    """
    order = _in_order(flow.nodes)
    queues: set[str] = set()
    elements = [_named(f"nodes.{number}", flow.nodes[number], tasks, queues) for number in order]
    places = {number: place for place, number in enumerate(order)}
    return Written(
        f"[{','.join(elements)}]",
        [places[number] for number in range(len(order))],
        None if flow.on_success is None else _named("on_success", flow.on_success, tasks, queues),
        None if flow.on_failure is None else _named("on_failure", flow.on_failure, tasks, queues),
        queues,
    )


def _in_order(nodes: list[NodeIn]) -> list[int]:
    """The numbers of the nodes, each after its parents, otherwise as they were given; SQL knows no other order."""
    numbers = {node.name: number for number, node in enumerate(nodes) if node.name is not None}
    sorter: TopologicalSorter[int] = TopologicalSorter(
        {number: [numbers[name] for name in _parents(node) if name in numbers] for number, node in enumerate(nodes)}
    )
    try:
        sorter.prepare()
    except CycleError as error:
        names = " → ".join(str(nodes[number].name) for number in reversed(error.args[1]))
        raise invalid("nodes", names[:500], "these nodes wait for each other in a cycle; take one `after` out") from None
    order, ready = list[int](), list(sorter.get_ready())
    heapq.heapify(ready)
    while ready:
        order.append(heapq.heappop(ready))
        sorter.done(order[-1])
        for number in sorter.get_ready():
            heapq.heappush(ready, number)
    return order


def _parents(node: NodeIn) -> list[str]:
    return [parent if isinstance(parent, str) else parent.name for parent in node.after]


def _named(where: str, call: CallIn, tasks: Tasks, queues: set[str]) -> str:
    """An element as JSON text; errors say where it stands in the request."""
    try:
        element, queue = _element(call, tasks.get(call.task))
    except InvalidArgument as error:
        raise InvalidArgument(f"{where}.{error}") from None
    queues.add(queue)
    return element


def _element(call: CallIn, task: Registered[Any] | None) -> tuple[str, str]:
    """A call as JSON text, and its queue."""
    takes = call.takes if isinstance(call, NodeIn) else None
    options = _options(call, task)
    args = _args(call.args, options, task, takes) if task else _text("args", call.args)
    sql = options.to_sql()
    own = {"task": call.task, **_plain(call, options, sql), **_limits(options, task, args, takes)._asdict()}
    if isinstance(call, NodeIn):
        own |= {"name": call.name, "after": _after(call), "takes": takes, "takes_all": call.takes_all or None}
    plain = dumps({name: value for name, value in own.items() if value is not None})
    nested = {"args": args, "retry": _policy(call, sql), "meta": sql.meta if call.meta is None else _text("meta", call.meta)}
    texts = [f'"{name}":{text}' for name, text in nested.items() if text is not None]
    return f"{plain[:-1]},{','.join(texts)}}}", options.queue


def _options(call: CallIn, task: Registered[Any] | None) -> Options:
    """The options of the call, with those of its task for what is not given."""
    if call.expires_at is not None and call.expires_after is not None:
        raise InvalidArgument("expires_at: it is given beside expires_after; leave one of the two out")
    mine: dict[str, Any] = {name: getattr(call, name) for name in _AS_THEY_ARE}
    mine["expires"] = call.expires_at if call.expires_after is None else call.expires_after
    mine["retry"] = call.retry if isinstance(call.retry, int) else None
    unique = call.unique
    mine["unique"] = Unique(unique.mode, unique.key, unique.period) if isinstance(unique, UniqueIn) else unique
    read = given(cast(GivenOptions, mine))
    if task is None:
        return Options(**read)
    return Options(**{name: getattr(task.options, name) for name in Options.__slots__} | read)


def _args(args: dict[str, Any], options: Options, task: Registered[Any], takes: str | None) -> str:
    """Arguments of a task that is known here, checked as a worker will read them; numbers stay as they were sent."""
    parameters = task.parameters
    if takes is not None and takes in args:
        raise InvalidArgument(f"args: {takes!r} is there, but `takes` says that a parent gives it; leave one of the two out")
    parameters.bind((), args if takes is None else {**args, takes: None})
    text = _text("args", args)
    if takes is None:
        parameters.load(text)
    more = {name: value for name, value in completed(parameters, options, args, takes).items() if name not in args}
    return text if not more else _text("args", {**args, **loads(parameters.dump_some(more))})


def _plain(call: CallIn, options: Options, sql: EnqueueOptions) -> dict[str, Any]:
    retries = call.retry.get("retries") if isinstance(call.retry, dict) else sql.retries
    own: dict[str, Any] = {"queue": sql.queue, "priority": sql.priority, "retries": retries}
    own |= {"run_at": sql.run_at, "run_after": sql.run_after, "result_ttl": sql.result_ttl}
    if options.unique:
        own |= {f"unique_{name}": value for name, value in options.to_unique()._asdict().items()}
    times = options.to_times()
    return own if times is None else own | times._asdict()


def _limits(options: Options, task: Registered[Any] | None, args: str, takes: str | None) -> LimitOptions:
    if task is not None:
        return limiting(task, options, args, takes) or LimitOptions()
    cost = options.cost
    return LimitOptions(list(options.limits) or None, options.fair, cost if isinstance(cost, int) else None)


def _policy(call: CallIn, sql: EnqueueOptions) -> str | None:
    if not isinstance(call.retry, dict):
        return sql.retry
    policy = {name: value for name, value in call.retry.items() if name != "retries"}
    return _text("retry", policy) if policy else None


def _text(field: str, value: Any) -> str:
    """A value as JSON text. Raises InvalidArgument if it has none that PostgreSQL takes."""
    try:
        return exact.write(value).decode()
    except TypeError:
        raise InvalidArgument(f"{field}: it is nested too deep, or holds half of a surrogate pair") from None


def _after(node: NodeIn) -> list[Any] | None:
    return [parent if isinstance(parent, str) else {"node": parent.name, "when": parent.when} for parent in node.after] or None
