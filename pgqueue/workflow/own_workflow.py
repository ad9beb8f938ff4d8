"""The workflow of a job, as its handler sees it."""

from typing import Any

from ..errors import AlreadyFinished, InvalidArgument
from ..options import RunIf
from ..registry import Arguments, Registered, Registry
from .canvas import Part
from .node import Node
from .nodes import Added, References, part_of
from .plan import Plan

MANY = 100  # nodes; to write them takes about 10 ms, the longest time to block the event loop
MOST_CHARACTERS = 100_000_000  # characters of JSON that a job may add; the server takes messages of less than 1 GB


class OwnWorkflow:
    """The type of `ctx.workflow`.

    Args:
        app: the app whose tasks can be added.
        job_id: the id of the running job.
        node: the job as a node.

    Attributes:
        id: the workflow's id; `app.get_workflow(id)` is a handle on it.
        name: the name of the workflow; None if it has none.
        node: the name of this job's node; None if it has none.
    """

    def __init__(self, app: Registry, job_id: int, node: Node) -> None:
        self.id, self.name, self.node = node.workflow, node.workflow_name, node.name
        self._app, self._job_id, self._its_node = app, job_id, node
        self._plan: Plan | None = None

    def add(
        self,
        what: Registered[Any] | Part[Any],
        args: Arguments = (),
        *,
        name: str | None = None,
        after: References | None = None,
        when: RunIf = "succeeded",
        before: References = (),
    ) -> Added:
        """Add a node, or the nodes of a chain or group, to this workflow. They are added when this job succeeds.

        They are stored together with the end of the job: in the same transaction, exactly once, and not at all if this run fails,
        is cancelled or runs again later. Nodes that are added before the end of a `ctx.transaction()` commit with it;
        nodes that are added inside one that is rolled back are dropped. Middleware around enqueues runs when the
        handler ends, for more than 100 nodes in a thread.

        Args:
            what: a task, which is called with `args` and takes no parent's result (as `si`); or a signature, chain or group,
                whose first calls take the results of their parents.
            args: the arguments of a task, a tuple or a mapping.
            name: unique in the workflow; none by default. The name of a chain or group stands for its end in later
                calls of `add`.
            after: its parents: names of nodes, return values of `add`, jobs or their ids; one or several, or a mapping from them
                to policies. By default this job; `()` for no parents.
            when: it runs if all parents have "succeeded" (default), have "finished" with any outcome, or have "failed".
            before: nodes that also wait for the end of the new node: names, or jobs. They must not have started; nodes that wait
                for this job have certainly not started.

        Returns:
            A value for the `after` of another call, in place of the name.

        Raises:
            InvalidArgument: a name is taken, arguments do not fit, or a value is invalid. An error that only the
                database can find, such as an unknown name, makes the job fail for good when it ends.
            AlreadyFinished: this run has ended, or `ctx.transaction()` has finished the job.
        """
        if by := self._its_node.finished_by:
            raise AlreadyFinished(f"job {self._job_id} was finished {by}; add to its workflow before that")
        what = part_of(what, args)
        if self._plan is None:
            self._plan = Plan(self._app, is_open=True)
        return self._plan.add(what, name=name, after=self._job_id if after is None else after, when=when, before=before)

    def _nodes_json(self) -> str | None:
        """The added nodes in the form that SQL takes; None if there are none.

        Raises:
            InvalidArgument: some arguments do not fit, a connection was given, or the nodes are too large for one call.
        """
        if not self._plan:
            return None
        with self._plan.submission(None, False) as submission:
            if submission.connection is not None:
                raise InvalidArgument("connection: ctx.workflow.add adds nodes when the job finishes; leave it out")
            if len(submission.nodes) > MOST_CHARACTERS:  # a message of 1 GB ends the connection, and would be repeated endlessly
                raise InvalidArgument(
                    f"ctx.workflow: job {self._job_id} adds {len(submission.nodes)} characters of JSON at once; the maximum is "
                    f"{MOST_CHARACTERS}; pass ids instead of large values, or let an added job add the rest"
                )
            return submission.nodes

    def _size(self) -> int:
        """The number of added nodes."""
        return len(self._plan or ())

    def _drop(self, known: int) -> None:
        """Remove the nodes added after this many nodes."""
        if self._plan is not None:
            self._plan.drop(known)

    def __repr__(self) -> str:
        return f"OwnWorkflow({self.id})"
