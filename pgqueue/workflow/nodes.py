"""The nodes of a workflow that is not enqueued yet, and their JSON."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from .._json import dumps
from .._text import shortened
from ..errors import InvalidArgument
from ..job import Job
from ..options import RunIf
from ..registry import Arguments, Registered, Registry
from ..tracing.sending import Sending
from .canvas import Part, Signature


@dataclass(frozen=True, slots=True)
class Added:
    """The end of a part that was added: a node that waits for the part waits for these nodes.

    Attributes:
        nodes: the numbers of the nodes in the order of writing.
        is_list: whether a child takes a list of their results, because the part ends in a group.
        plan: the plan to which it was added.
    """

    nodes: tuple[int, ...]
    is_list: bool = False
    plan: object = field(default=None, repr=False, compare=False)


Source = Added | str | int  # a part of this plan, a name, or the id of an existing job
Reference: TypeAlias = str | Added | Job[Any] | int
References: TypeAlias = Reference | Iterable[Reference] | Mapping[Reference, RunIf]


@dataclass(slots=True)
class PlannedNode:
    """A call and its parents."""

    name: str | None
    signature: Signature[Any]
    after: list[tuple[Source, RunIf]]
    before: list[tuple[Source, RunIf]] = field(default_factory=list)


class Submission(NamedTuple):
    """A plan on its way to the database.

    Attributes:
        nodes: the JSON array.
        extra: the signatures beside the nodes as JSON, by their key.
        connection: the connection on which to run the call, or None.
        sending: the enqueue, as far as it is traced.
        names, tasks: the names and tasks of the nodes, in the order of the array.
        written: positions in the array, in the order in which the nodes were written.
        lists: positions of the nodes whose results are elements of the list that a part ends in.
    """

    nodes: str
    extra: dict[str, str]
    connection: Any
    sending: Sending
    names: list[str | None]
    tasks: list[Registered[Any]]
    written: list[int]
    lists: set[int]


def part_of(what: Registered[Any] | Part[Any], args: Arguments) -> Part[Any]:
    """The argument of `add` as a part: a task is called with `args`; a signature, chain or group takes no `args`."""
    if not isinstance(what, Registered):
        if not isinstance(what, Part):
            raise InvalidArgument(
                f"node: {shortened(what)} is not a task; use what @app.task returns, a signature, a chain or a group"
            )
        if isinstance(args, str):
            raise InvalidArgument(f"args: {shortened(args)} is not valid; name= is a keyword, and arguments go into s(…)")
        if args != ():
            raise InvalidArgument("args: pass them to s(…) and nowhere else")
        return what
    if isinstance(args, tuple):
        return Signature(what, what.parameters.bind(args, {}), what.options, immutable=True)
    if isinstance(args, Mapping):
        return Signature(what, what.parameters.bind((), args), what.options, immutable=True)
    keyword = "; name= is a keyword" if isinstance(args, str) else ""
    raise InvalidArgument(f"args: {shortened(args)} is not valid; give a tuple or a mapping, for example (1,){keyword}")


def check_app(what: str, task: Registered[Any], app: Registry) -> None:
    """Refuse a task of another app; `what` begins the message."""
    if task._app is not app:
        raise InvalidArgument(f"{what}: task {task.name!r} belongs to another app; a workflow belongs to one app")


def node_json(
    node: PlannedNode, signature: Signature[Any], after: list[Any], takes: str | None, takes_all: bool, trace: str | None
) -> str:
    """An element of the array; `signature` is the call of the node after the middleware, `trace` is JSON text."""
    fields = signature.fields(signature.args_json(takes), takes, trace)
    given = {"name": node.name, "after": after, "before": edges_json(node.before, {}), "takes": takes}
    fields += [f'"{key}":{dumps(value)}' for key, value in given.items() if value]
    if takes is not None and takes_all:
        fields.append('"takes_all":true')
    return "{" + ",".join(fields) + "}"


def edges_json(edges: list[tuple[Source, RunIf]], places: Mapping[int, int]) -> list[Any]:
    """Edges in the form that SQL takes: a position, a name, a job, or one of them with its policy."""
    written: list[Any] = []
    for source, when in edges:
        if isinstance(source, int):
            written.append({"job": source})
        else:
            written.append(places[source.nodes[0]] if isinstance(source, Added) else source)
        if when != "succeeded":
            written[-1] = {**(written[-1] if isinstance(source, int) else {"node": written[-1]}), "when": when}
    return written
