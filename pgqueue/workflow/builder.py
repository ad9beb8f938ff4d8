"""The type of `app.workflow(…)`: nodes with names, and any edges between them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from .._text import shortened, storable
from ..database import Call
from ..database.calls import workflows as calls
from ..errors import InvalidArgument, PgQueueError
from ..job import Job
from ..options import RunIf
from ..registry import Arguments, Registered, Registry
from .canvas import Part, Signature
from .nodes import Added, References, Submission, check_app, part_of
from .plan import Plan
from .workflow import Workflow

R = TypeVar("R", covariant=True)
Adding = tuple[Submission, Call[calls.AddedWorkflow]]


class WorkflowBuilder(Generic[R]):
    """Collects the nodes of a workflow until it is enqueued; see `PgQueue.workflow`."""

    def __init__(
        self,
        app: Registry,
        name: str | None,
        on_success: Signature[Any] | None = None,
        on_failure: Signature[Any] | None = None,
    ) -> None:
        for key, given in (("on_success", on_success), ("on_failure", on_failure)):
            if given is None:
                continue
            if not isinstance(given, Signature):
                raise InvalidArgument(f"{key}: {shortened(given)} is not valid; use a signature such as task.s(…)")
            check_app(key, given.task, app)
        if name is not None and not isinstance(name, str):
            raise InvalidArgument(f"name: {shortened(name)} is not valid; use a text")
        self._app, self._name = app, None if name is None else storable("name", name)
        self._beside = {"on_success": on_success, "on_failure": on_failure}
        self._plan = Plan(app)

    def add(
        self,
        what: Registered[Any] | Part[Any],
        args: Arguments = (),
        *,
        name: str | None = None,
        after: References = (),
        when: RunIf = "succeeded",
    ) -> Added:
        """Add a node, or the nodes of a chain or group.

        Args:
            what: a task, which is called with `args` and takes no parent's result (as `si`); or a signature, chain or group,
                whose first calls take the result of their parent, or the list of results of several, in the order of `after`.
            args: the arguments of a task, a tuple or a mapping.
            name: unique in the workflow; by default the name of the task, with -2, -3, … if it is taken. The name of a chain or
                group stands for its end.
            after: its parents: names of nodes, or return values of `add`; one or several, or a mapping from them to policies.
                Nodes of these names may be added later.
            when: it runs if all parents have "succeeded" (default), have "finished" with any outcome, or have "failed"; else it
                is skipped.

        Returns:
            A value for the `after` of another node, in place of the name.

        Raises:
            InvalidArgument: a name is taken, arguments do not fit, or a value is invalid.
        """
        return self._plan.add(part_of(what, args), name=name, after=after, when=when)

    def enqueue(self, *, connection: Any = None) -> Workflow[R]:
        """Add the workflow: one statement, all or nothing.

        Args:
            connection: as in `Task.using`, for the whole workflow. By default the connection of the signatures.

        Raises:
            InvalidArgument: there are no nodes, names are unknown, their edges form a cycle, or arguments or options are
                wrong. Nothing is enqueued.
            WrongConnection: `connection` is not of a supported kind.
        """
        with self._adding(connection) as (submission, call):
            return self._handle(submission, self._app.database.run(call, submission.connection))

    async def aenqueue(self, *, connection: Any = None) -> Workflow[R]:
        """`enqueue` for async code."""
        with self._adding(connection) as (submission, call):
            return self._handle(submission, await self._app.async_database.run(call, submission.connection))

    @contextmanager
    def _adding(self, connection: Any) -> Iterator[Adding]:
        if self._app.inline:
            raise PgQueueError("inline(): a workflow needs the database; use a connection of the test and drain")
        with self._plan.submission(connection, **self._beside) as submission:
            extra = submission.extra
            call = calls.enqueue_workflow(submission.nodes, self._name, extra.get("on_success"), extra.get("on_failure"))
            yield submission, submission.sending.noting(call)

    def _handle(self, submission: Submission, added: calls.AddedWorkflow) -> Workflow[R]:
        nodes = zip(submission.names, added.job_ids, submission.tasks, strict=True)
        jobs: dict[str, Job[Any]] = {str(name): Job(self._app, id, task.parameters) for name, id, task in nodes}
        ends = set(added.last)
        last = [place for place in submission.written if added.job_ids[place] in ends]
        is_list = len(last) > 1 or not submission.lists.isdisjoint(last)
        return Workflow(self._app, added.id, jobs, [added.job_ids[place] for place in last], is_list)
