"""Verbs on all jobs of a filter: each is an operation, which the workers finish if its command ends."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import typer

from .._checks import invalid, read_id
from ..codec.open import dump_open
from ..database.calls import operations as calls
from ..database.calls.operations import OperationStatus, Order
from ..errors import InvalidArgument
from .failures import NOT_FOUND
from .filters import OPTIONS, Command, expanded, filter_json, read_filter
from .operation_view import line
from .operations import found, steps, watched
from .options import State
from .output import print_json, say
from .session import Session
from .who import By, who

STAYS = 3.0  # seconds for which a command works on an operation before it leaves the rest to the workers

# By the name of the parameter, as in OPTIONS of a filter.
BULK_OPTIONS: Mapping[str, Any] = {
    "ids": Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID]...", help="Ids of jobs; or terms of a filter: 'queue:mail state:failed'; or its options."),
    ],
    "is_all": Annotated[bool, typer.Option("--all", help="All jobs: needed if neither ids nor a filter are given.")],
    "dry_run": Annotated[bool, typer.Option("--dry-run", help="Only count what would become of the jobs.")],
    "per_second": Annotated[
        float | None, typer.Option("--per-second", metavar="N", help="At most so many jobs a second, over all workers.")
    ],
    "by": By,
    "note": Annotated[str | None, typer.Option("--note", metavar="TEXT", help="Why; kept with it.")],
    "watch": Annotated[bool, typer.Option("--watch", help="Stay until it is over.")],
}


def in_bulk(state: State | None = None) -> Callable[[Command], Command]:
    """Give a command ids, the options of a filter and those of a bulk verb in place of its parameter `bulk`.

    Args:
        state: the state of the jobs that the command is about, if there is one.
    """

    def read(given: Mapping[str, Any]) -> InBulk:
        ids, text = read_named(given["ids"] or [])
        fields = read_filter(given, state, text)
        # What the command is about anyway names no jobs.
        filter = {} if state is not None and fields == {"state": [state.value]} else fields
        return InBulk(filter=filter, **{name: given[name] for name in BULK_OPTIONS} | {"ids": ids})

    return expanded("bulk", {**OPTIONS, **BULK_OPTIONS}, read)


def read_named(given: Sequence[str]) -> tuple[list[int], list[str]]:
    """Ids of jobs, and terms of a filter, which have a colon here: a misspelt id must not be the name of a task.

    Raises:
        InvalidArgument: one is neither.
    """
    words = [word for text in given for word in ([text] if ":" in text else text.split() or [text])]
    for word in words:
        if ":" not in word and not (word.isascii() and word.isdecimal()):
            raise invalid("id", word, "use ids, or terms of a filter such as queue:mail or task:welcome")
    return [read_id("id", int(word)) for word in words if ":" not in word], [word for word in words if ":" in word]


class InBulk(NamedTuple):
    """What makes a command an operation.

    Attributes:
        ids: the jobs that were named.
        filter: the fields of the filter that was given.
        is_all: whether all jobs are meant.
        dry_run, per_second, by, note: as in SQL.
        watch: whether to stay until it is over.
    """

    ids: list[int]
    filter: dict[str, Any]
    is_all: bool
    dry_run: bool
    per_second: float | None
    by: str | None
    note: str | None
    watch: bool

    def is_wanted(self) -> bool:
        """Whether this is an operation; else each job that was named is a call of its own.

        Raises:
            InvalidArgument: no jobs are named at all.
        """
        if not (self.ids or self.filter or self.is_all):
            raise InvalidArgument("filter: it names nothing; give ids, options of a filter such as --queue, or --all")
        return bool(self.filter or self.is_all or self.dry_run or self.per_second is not None or self.watch)

    def run(self, database: Session, kind: str, spec: Mapping[str, Any], as_json: bool) -> None:
        """Start the operation and print what came of it.

        Raises:
            typer.Exit: always; the code is 1 if the verb failed for a job.
        """
        fields = {**self.filter, "ids": self.ids} if self.ids else self.filter
        options = dump_open({name: value for name, value in spec.items() if value is not None})
        order = Order(kind, filter_json(fields), options, who(self.by), self.note, self.dry_run, self.per_second, self.is_all)
        try:
            id = database.run(calls.start_operation(order))
        except InvalidArgument as error:
            if "reason" in self.filter and str(error).startswith("reason: "):
                raise InvalidArgument(f"{error}; to say why you do it, use --note") from None
            raise
        code = watched(database, id, as_json) if self.watch or self.dry_run else _begun(database, id, as_json)
        raise typer.Exit(code or self._unknown(found(database, id)))

    def _unknown(self, now: OperationStatus) -> int:
        """Say how many of the ids are those of no job, unless the filter may have left jobs out. Returns the exit code."""
        given = set(self.ids)
        count = len(given) - now.matched
        if not self.ids or self.filter or count <= 0 or now.state == "collecting":
            return 0
        missing = f"there is no job {self.ids[0]}" if len(given) == 1 else f"of {len(given)} ids there is no job for {count}"
        say(f"pgqueue: {missing}", to_stderr=True)
        return NOT_FOUND


def _begun(database: Session, id: int, as_json: bool) -> int:
    """Work on an operation for a moment, so that those of some thousand jobs are over when the command ends."""
    until = time.monotonic() + STAYS
    now = found(database, id)
    if now.finished_at is None:
        for now in steps(database, id):
            if now.finished_at is not None or time.monotonic() > until:
                break
    if as_json:
        print_json(now._asdict())
    else:
        say(line(now))
        if now.finished_at is None:
            say(f"the workers go on with it; see pgqueue operation {id} --watch")
    return 1 if now.failed else 0
