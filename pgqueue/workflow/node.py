"""A claimed job as the node of a workflow, and the outcomes of its parents, as its handler sees them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .._json import Unreadable, dumps, loads, loads_own, readable
from ..database.calls.workflows import ParentRow
from ..errors import PgQueueError, ResultExpired, ResultUnreadable, ResultWithheld, UnknownParent
from ..registry import Registered


@dataclass(frozen=True, slots=True)
class Parent:
    """A job that this one has waited for.

    Attributes:
        id: the id of the job.
        name: the name of its node; None if it has none.
        task: the name of its task.
        state: succeeded, failed, cancelled or skipped; open if it was retried after this job had started and is not over yet.
        result: its result, of the type in the annotation of its task if the task is registered here; None unless it succeeded.
            Reading it raises `ResultExpired` if it is not kept any more, `ResultWithheld` if whoever added this job may not know
            it, `ResultUnreadable` if Python cannot read it, and the
            errors of the annotated type if it cannot be made from the result.
        error: its last error: type, message and traceback; None unless it failed.
    """

    id: int
    name: str | None
    task: str
    state: str = "succeeded"
    result: Any = None
    error: dict[str, Any] | None = None


class StoredParent(Parent):
    """A parent whose result is decoded when it is read: if it cannot be decoded, only the code that reads it fails."""

    __slots__ = ("_made", "_stored", "_to")
    _made: Any
    _stored: str | None
    _to: Registered[Any] | None

    def __init__(self, row: ParentRow, to: Registered[Any] | None) -> None:
        error = None if row.error is None else loads(row.error)
        given = {"id": row.id, "name": row.name, "task": row.task, "state": row.state, "error": error}
        for name, value in {**given, "_stored": row.result, "_to": to}.items():
            object.__setattr__(self, name, value)

    @property
    def result(self) -> Any:
        """The result, decoded once."""
        if not hasattr(self, "_made"):
            result = None if self._stored is None else readable(self._stored)
            if isinstance(result, Unreadable):
                raise ResultUnreadable(self.id)
            if result is not None and self._to is not None:
                result = self._to.parameters.load_result(result)
            object.__setattr__(self, "_made", result)
        return self._made

    def __repr__(self) -> str:
        return f"Parent(id={self.id!r}, name={self.name!r}, task={self.task!r}, state={self.state!r}, result={self._stored})"


class MissingParent(Parent):
    """A parent whose result is not kept any more, or is not for this job."""

    __slots__ = ("_why",)
    _why: PgQueueError

    def __init__(self, row: ParentRow, why: PgQueueError) -> None:
        given = {"id": row.id, "name": row.name, "task": row.task, "state": row.state, "error": None, "_why": why}
        for name, value in given.items():
            object.__setattr__(self, name, value)

    @property
    def result(self) -> Any:
        """There is no result to read.

        Raises:
            ResultExpired: it is not kept any more.
            ResultWithheld: whoever added this job may not know it.
        """
        raise self._why

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MissingParent) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"MissingParent(id={self.id!r}, name={self.name!r}, task={self.task!r}, state={self.state!r})"


def missing(row: ParentRow) -> PgQueueError | None:
    """Why the result of a parent that has returned one cannot be read; None if it can."""
    if row.withheld:
        return ResultWithheld(
            f"the result of parent {row.name or row.task!r}, job {row.id}, is withheld: the login that added this job has not "
            "added that one, and may not read results; add both in one workflow, or grant it the viewer role"
        )
    if row.expired:
        return ResultExpired(
            f"the result of parent {row.name or row.task!r}, job {row.id}, is no longer kept; "
            "enqueue the parent with a longer result_ttl"
        )
    return None


class Parents(Mapping[str, Parent]):
    """The parents of one job, in the order in which it names them.

    The key is the name of the node; without a name, the name of the task if no other parent has it, else the job id as text.
    """

    def __init__(self, parents: Mapping[str, Parent]) -> None:
        self._parents = dict(parents)

    @classmethod
    def read(cls, rows: list[ParentRow], tasks: Mapping[str, Registered[Any]]) -> "Parents":
        """Make the parents from the rows of SQL."""
        names = {row.name for row in rows}
        unnamed = Counter(row.task for row in rows if row.name is None)

        def key(row: ParentRow) -> str:
            if row.name is not None:
                return row.name
            return row.task if unnamed[row.task] == 1 and row.task not in names else str(row.id)

        return cls({key(row): _parent(row, tasks) for row in rows})

    def __getitem__(self, name: str) -> Parent:
        try:
            return self._parents[name]
        except KeyError:
            known = ", ".join(repr(known) for known in self._parents) or "none"
            raise UnknownParent(f"ctx.parents: there is no parent {name!r}; there are: {known}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._parents)

    def __len__(self) -> int:
        return len(self._parents)

    def __repr__(self) -> str:
        return f"Parents({self._parents!r})"


NO_PARENTS = Parents({})


def _parent(row: ParentRow, tasks: Mapping[str, Registered[Any]]) -> Parent:
    why = missing(row)
    return StoredParent(row, tasks.get(row.task)) if why is None else MissingParent(row, why)


HANDLER_ENDED = "when its handler ended"


class Node:
    """The data of a claimed job that is a node of a workflow.

    Args:
        json: the data from the claim.

    Attributes:
        workflow, workflow_name: the id and the name of the workflow.
        name: the name of the node; None if it has none.
        takes, takes_all: the argument that gets the parents' results, and whether it gets the list of all results.
        has_parents: whether it has any.
        parents: the parents; None until they are loaded.
        finished_by: what has ended the run, so that it adds no nodes any more; "" = it goes on.
    """

    __slots__ = ("finished_by", "has_parents", "json", "name", "parents", "takes", "takes_all", "workflow", "workflow_name")

    def __init__(self, json: str) -> None:
        said = loads_own(json)
        self.json = json
        self.workflow: int = said.get("workflow") or 0
        self.workflow_name: str | None = said.get("workflow_name")
        self.name: str | None = said.get("name")
        self.takes: str | None = said.get("takes")
        self.takes_all: bool = said.get("takes_all") or False
        self.has_parents: bool = said.get("has_parents") or False
        self.parents: Parents | None = None
        self.finished_by = ""

    def with_taken(self, args_json: str, rows: list[ParentRow]) -> str:
        """Arguments as JSON text, with the argument that takes the parents' results.

        Raises:
            ResultExpired: a result that it takes is not kept any more.
            ResultWithheld: a result that it takes is not for this job.
        """
        if self.takes is None:
            return args_json
        for row in rows if self.takes_all else rows[:1]:
            if (why := missing(row)) is not None:
                raise why
        results = [row.result or "null" for row in rows]
        taken = f"[{','.join(results)}]" if self.takes_all else results[0] if results else "null"
        before = args_json.rstrip()[:-1]
        return f"{before}{'' if before.strip() == '{' else ','}{dumps(self.takes)}:{taken}}}"
