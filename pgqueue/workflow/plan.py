"""Turns signatures, chains and groups into the nodes of a workflow: the JSON array that enqueue_workflow in SQL takes."""

import heapq
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from typing import Any

from .._text import named, shortened, storable
from ..errors import InvalidArgument
from ..job import Job
from ..options import RunIf, run_if
from ..registry import Registry
from ..tracing.sending import carrying
from .canvas import Chain, Group, Part, Signature, sending_all, the_connection
from .nodes import Added, PlannedNode, References, Source, Submission, check_app, edges_json, node_json
from .workflow import free_name


class _Nested:
    """A chain or group while its parts are added.

    Attributes:
        parts: the parts that are still to be added.
        after: the parents of the next part.
    """

    def __init__(self, part: Part[Any], after: list[tuple[Source, RunIf]]) -> None:
        assert isinstance(part, Chain | Group)
        self.part, self.parts, self.after = part, iter(part.parts), after
        self._members: list[Added] = []

    def take(self, added: Added) -> None:
        """Note the end of a part."""
        if isinstance(self.part, Chain):
            self._members, self.after = [added], [(added, "succeeded")]
        else:
            self._members.append(added)

    def added(self) -> Added:
        """The end of the whole chain or group."""
        if isinstance(self.part, Chain):
            return self._members[0]
        return Added(tuple(node for member in self._members for node in member.nodes), is_list=True)


class Plan:
    """Collects the nodes of one submission.

    Args:
        app: the app that has the tasks.
        is_open: the nodes are added to an existing workflow: unknown names may exist there, and nodes get no default names.
    """

    def __init__(self, app: Registry, *, is_open: bool = False) -> None:
        self._app, self._is_open = app, is_open
        self._nodes: list[PlannedNode] = []
        self._parts: dict[str, Added] = {}
        self._counts: dict[str, int] = {}
        self._lists: set[int] = set()  # nodes whose results are elements of the list that a part ends in
        self._returned: dict[int, Added] = {}  # by id(), because removed nodes are invalid in `after`

    def add(
        self,
        part: Part[Any],
        *,
        name: str | None = None,
        after: References = (),
        when: RunIf = "succeeded",
        before: References = (),
    ) -> Added:
        """Add a signature, chain or group.

        Args:
            part: the part to add.
            name: the name of the node, by default the name of its task, with -2, -3, … if it is taken; the name of a chain or
                group stands for its end.
            after: the parents of its first nodes.
            when: the policy if `after` does not have one.
            before: nodes of the existing workflow that also wait for the end of the part.

        Raises:
            InvalidArgument: a name is taken, or a value is invalid; the message names it.
        """
        if not isinstance(part, Part):
            raise InvalidArgument(
                f"node: {shortened(part)} is not valid; use a task, a signature such as task.s(…), a chain or a group"
            )
        sources, children = self._references("after", after, when), self._references("before", before, "succeeded")
        name, known = None if name is None else self._checked(name), len(self)
        self._assert_known_elsewhere(children)
        try:
            added = self._add_node(part, sources, name) if isinstance(part, Signature) else self._add_part(part, sources)
        except BaseException:
            self.drop(known)
            raise
        if name is not None:
            self._parts[name] = added
        for node in added.nodes:
            self._nodes[node].before += children
        self._lists.update(added.nodes if added.is_list else ())
        added = replace(added, plan=self)
        self._returned[id(added)] = added
        return added

    def __len__(self) -> int:
        return len(self._nodes)

    def drop(self, known: int) -> None:
        """Remove all nodes except the first `known`."""
        del self._nodes[known:]
        self._parts = {name: added for name, added in self._parts.items() if added.nodes[-1] < known}
        self._lists = {node for node in self._lists if node < known}
        self._returned = {key: added for key, added in self._returned.items() if added.nodes[-1] < known}

    def _add_part(self, part: Part[Any], after: list[tuple[Source, RunIf]]) -> Added:
        """Add a chain or group. Uses a loop, because parts may be nested deeper than Python can recurse."""
        nested = [_Nested(part, after)]
        while True:
            inmost = nested[-1]
            member = next(inmost.parts, None)
            if member is None:
                nested.pop()
                if not nested:
                    return inmost.added()
                nested[-1].take(inmost.added())
            elif isinstance(member, Signature):
                inmost.take(self._add_node(member, inmost.after, None))
            else:
                nested.append(_Nested(member, inmost.after))

    def _add_node(self, signature: Signature[Any], after: list[tuple[Source, RunIf]], name: str | None) -> Added:
        task = signature.task
        check_app("node", task, self._app)
        if signature.options.depends_on:
            raise InvalidArgument(f"depends_on: {task.name!r} is a node of a workflow; use after= there")
        if name is None and not self._is_open:
            name = free_name(signature.label or task.name, self._parts, self._counts)
        added = Added((len(self._nodes),))
        self._nodes.append(PlannedNode(name, signature, after))
        if name is not None:
            self._parts[name] = added
        return added

    def _assert_known_elsewhere(self, children: list[tuple[Source, RunIf]]) -> None:
        for child, _ in children:
            if isinstance(child, Added) or child in self._parts:
                raise InvalidArgument(f"before: {self._shown(child)} is also new; use after= of that node")

    def _checked(self, name: Any) -> str:
        if not isinstance(name, str) or not name:
            raise InvalidArgument(f"name: {shortened(name)} is not valid; use a text")
        if name in self._parts:
            raise InvalidArgument(f"name: {name!r} is taken by an earlier node; give one of the two another name=")
        return storable("name", name)

    def _references(self, what: str, given: References, when: RunIf) -> list[tuple[Source, RunIf]]:
        when = run_if(when, "when")
        if isinstance(given, str | Added) or not isinstance(given, Iterable):
            given = [given]
        if isinstance(given, Mapping):
            if when != "succeeded":
                raise InvalidArgument(
                    f"when: {when!r} beside a mapping in {what}=, which gives it for each parent; leave one out"
                )
            return [(self._source(what, one), run_if(policy, what)) for one, policy in given.items()]
        return [(self._source(what, one), when) for one in given]

    def _source(self, what: str, one: Any) -> Source:
        if isinstance(one, Job):
            one = one.id
        if type(one) is int and not self._is_open:
            raise InvalidArgument(
                f"{what}: job {one} is not part of this new workflow; use Task.using(depends_on=…) to wait for an existing job"
            )
        if isinstance(one, Added) and self._returned.get(id(one)) is one:
            return one
        if isinstance(one, str | int) and not isinstance(one, bool):
            return one
        jobs = ", or jobs of the workflow" if self._is_open else ""
        raise InvalidArgument(f"{what}: {shortened(one)} is not valid; use names of nodes, what add returned{jobs}")

    @contextmanager
    def submission(self, connection: Any = None, is_sent: bool = True, /, **extra: Signature[Any] | None) -> Iterator[Submission]:
        """The nodes, inside the middleware of their enqueue. Each comes after its parents, otherwise in the order of writing.

        Args:
            connection: as in `Task.using`; by default the connection of the signatures.
            is_sent: whether a call adds them now, and not the end of a node later.
            extra: signatures that are sent with the nodes and enqueued later, without the middleware.

        Raises:
            InvalidArgument: there are no nodes, names are unknown, their edges form a cycle, arguments or options are wrong,
                or signatures name several connections.
        """
        if not self._nodes:
            raise InvalidArgument("nodes: the workflow is empty; add at least one")
        parents = [self._parents(node) for node in self._nodes]
        order = self._in_order([[one for one, _ in edges if isinstance(one, Added)] for edges, _ in parents])
        places = {node: place for place, node in enumerate(order, 1)}
        with ExitStack() as around:
            calls = [self._entered(around, self._nodes[number].signature, behind=bool(parents[number][0])) for number in order]
            made = [signature for signature, _ in calls]
            sent = around.enter_context(sending_all(made) if is_sent else carrying())
            texts = []
            for number, (signature, takes) in zip(order, calls, strict=True):
                node, (edges, takes_all) = self._nodes[number], parents[number]
                texts.append(node_json(node, signature, edges_json(edges, places), takes, takes_all, sent.trace))
            beside = {key: one for key, one in extra.items() if one is not None}
            yield Submission(
                nodes=f"[{','.join(texts)}]",
                extra={key: one.to_json(sent.trace) for key, one in beside.items()},
                connection=the_connection([*made, *beside.values()], connection),
                sending=sent,
                names=[self._nodes[number].name for number in order],
                tasks=[one.task for one in made],
                written=[places[number] - 1 for number in range(len(order))],
                lists={places[number] - 1 for number in self._lists},
            )

    def _parents(self, node: PlannedNode) -> tuple[list[tuple[Source, RunIf]], bool]:
        """The parents of a node one by one, and whether it takes a list of their results."""
        edges: list[tuple[Source, RunIf]] = []
        is_list = len(node.after) > 1
        for source, when in node.after:
            if isinstance(source, str):
                source = self._named(source)
            if isinstance(source, Added):
                is_list = is_list or source.is_list
                edges += [(Added((parent,)), when) for parent in source.nodes]
            else:
                edges.append((source, when))
        self._assert_distinct(edges)
        return edges, is_list

    def _named(self, name: str) -> Source:
        if name in self._parts:
            return self._parts[name]
        if self._is_open:
            return name
        raise InvalidArgument(f"after: there is no node {name!r}; there are: {named(self._parts)}")

    def _assert_distinct(self, edges: list[tuple[Source, RunIf]]) -> None:
        seen: set[Source] = set()
        for source, _ in edges:
            if source in seen:
                raise InvalidArgument(f"after: {self._shown(source)} is given twice; give each parent once")
            seen.add(source)

    def _shown(self, source: Source) -> str:
        """The name or the task of a node, for a message."""
        if isinstance(source, Added):
            node = self._nodes[source.nodes[0]]
            return repr(node.name or node.signature.task.name)
        return repr(source) if isinstance(source, str) else f"job {source}"

    def _in_order(self, parents: list[list[Added]]) -> list[int]:
        sorter = TopologicalSorter({node: [one.nodes[0] for one in sources] for node, sources in enumerate(parents)})
        try:
            sorter.prepare()
        except CycleError as error:
            cycle = " -> ".join(self._shown(Added((node,))) for node in error.args[1])
            raise InvalidArgument(f"after: {cycle} is a cycle; none of these nodes could ever start") from None
        ready: list[int] = []
        order = []
        while sorter.is_active():
            for node in sorter.get_ready():
                heapq.heappush(ready, node)
            order.append(heapq.heappop(ready))
            sorter.done(order[-1])
        return order

    def _entered(self, around: ExitStack, signature: Signature[Any], behind: bool) -> tuple[Signature[Any], str | None]:
        """A signature after its middleware, and the argument that takes the parents' result."""
        args, takes = signature.args, None
        if behind and not signature.immutable:
            takes, args = signature.task.parameters.bind_behind(args, signature.positional)
        call = around.enter_context(self._app.enqueuing(signature.task.name, args, signature.options))
        return Signature(signature.task, call.args, call.options, takes is None), takes
