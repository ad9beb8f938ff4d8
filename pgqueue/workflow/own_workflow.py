"""A job's own workflow, as its handler sees it."""

from typing import Any

from ..errors import AlreadyFinished, InvalidArgument
from ..options import RunIf
from ..registry import Arguments, Registered, Registry
from .canvas import Part
from .node import Node
from .nodes import Added, References, part_of
from .plan import Plan

MANY = 100  # nodes; writing them takes the 10 ms that an event loop should not be held up for
MOST_CHARACTERS = 100_000_000  # of JSON that a job adds; the server takes messages of less than 1 GB


class OwnWorkflow:
    """What `ctx.workflow` is.

    Args:
        app: whose tasks can be added.
        job_id: the job that runs.
        node: it as a node.

    Attributes:
        id: the workflow's id; `app.get_workflow(id)` is a handle on it.
        name: the workflow's name; None without.
        node: the name of this job's node in it; None without.
    """

    def __init__(self, app: Registry, job_id: int, node: Node) -> None:
        self.id, self.name, self.node = node.workflow, node.workflow_name, node.name
        self._app, self._job_id = app, job_id
        self._plan: Plan | None = None
        self._finished_by = ""

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
        """Add a node, or the nodes of a chain or group, to this workflow. They are there once this job has succeeded.

        They travel with the job's own end: in its transaction, exactly once, and not at all if this run fails, is cancelled or
        runs again later. What was added before the end of a `ctx.transaction()` commits with it; what is added within one that is
        rolled back is dropped. Middleware around enqueues runs when the handler ends, for more than 100 nodes in a thread.

        Args:
            what: a task, which is called with `args` and takes no parent's result (as `si`); or a signature, chain or group,
                whose first calls take the result of what they wait for.
            args: of a task, a tuple or a mapping.
            name: unique in the workflow; none by default. Of a chain or group, what later calls of `add` call its end.
            after: what it waits for: names of nodes, what `add` has returned, jobs or their ids; one or several, or a mapping
                from those to policies. This job by default; with `()` nothing.
            when: it runs if all of them "succeeded" (default), are "finished" whatever came of them, or have "failed".
            before: nodes that wait for the end of this one, too: names, or jobs. They must not have started; one that is known to
                wait is one that waits for this job.

        Returns:
            What `after` of another call takes in place of the name.

        Raises:
            InvalidArgument: a name is taken, arguments do not fit, or a value is invalid. What only the database can
                check, such as an unknown name, fails the job for good when it ends.
            AlreadyFinished: this run has ended, or `ctx.transaction()` has finished the job.
        """
        if self._finished_by:
            raise AlreadyFinished(f"job {self._job_id} was finished {self._finished_by}; add to its workflow before that")
        what = part_of(what, args)
        if self._plan is None:
            self._plan = Plan(self._app, is_open=True)
        return self._plan.add(what, name=name, after=self._job_id if after is None else after, when=when, before=before)

    def _nodes_json(self) -> str | None:
        """What was added as SQL takes it, None when nothing was.

        Raises:
            InvalidArgument: some arguments do not fit, a connection was given, or it is more than one call can carry.
        """
        if not self._plan:
            return None
        with self._plan.submission() as submission:
            if submission.connection is not None:
                raise InvalidArgument("connection: ctx.workflow.add adds nodes when the job finishes; leave it out")
            if len(submission.nodes) > MOST_CHARACTERS:  # a message of 1 GB ends the connection, and would be repeated forever
                raise InvalidArgument(
                    f"ctx.workflow: job {self._job_id} adds {len(submission.nodes)} characters of JSON at once; the maximum is "
                    f"{MOST_CHARACTERS}; pass ids instead of large values, or let an added job add the rest"
                )
            return submission.nodes

    def _size(self) -> int:
        """How many nodes were added."""
        return len(self._plan or ())

    def _drop(self, known: int) -> None:
        """Remove the nodes added after this many nodes."""
        if self._plan is not None:
            self._plan.drop(known)

    def _finish(self, by: str) -> None:
        """Refuse what would be added from now on."""
        self._finished_by = by

    def __repr__(self) -> str:
        return f"OwnWorkflow({self.id})"
