"""Enqueues: the span around one, and the trace that it gives to its jobs."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from .._json import dumps
from .._text import LINE
from .._trace import message_of
from ..database.call import Call, Rows
from ..database.calls.enqueue import Added
from ..database.calls.workflows import AddedWorkflow
from ..retry import qualified_name
from .carried import current_request, outgoing
from .provider import active

if TYPE_CHECKING:
    from .otel import Operation, Telemetry

T = TypeVar("T")


class Sending:
    """An enqueue on its way.

    Attributes:
        trace: for its jobs, as JSON text; None = none.
    """

    __slots__ = ("_operation", "_telemetry", "trace")

    def __init__(self, telemetry: "Telemetry | None" = None, operation: "Operation | None" = None) -> None:
        self._telemetry, self._operation = telemetry, operation
        trace = outgoing()
        self.trace = dumps(trace) if trace else None

    def noting(self, call: Call[T]) -> Call[T]:
        """The call that enqueues, which notes its answer in the span."""
        if self._operation is None:
            return call

        def read(rows: Rows) -> T:
            answer = call.read(rows)
            self._note(answer)
            return answer

        return replace(call, read=read)

    def _note(self, answer: Any) -> None:
        assert self._operation is not None
        assert self._telemetry is not None
        if isinstance(answer, AddedWorkflow):
            self._operation.set("pgqueue.workflow_id", answer.id)
            count = len(answer.job_ids)
        elif isinstance(answer, list) and len(answer) == 1 and isinstance(answer[0], Added):
            self._operation.set("messaging.message.id", str(answer[0].id))
            count = 1
        else:
            count = answer if isinstance(answer, int) else len(answer)
            self._operation.set("messaging.batch.message_count", count)
        self._telemetry.instruments.sent(count, self._operation.kinds)


def sending(task: str | None, queue: str | None) -> AbstractContextManager[Sending]:
    """Around an enqueue. Without OpenTelemetry it only looks whether there is a trace to pass on.

    Args:
        task, queue: None if the jobs have several.
    """
    telemetry = active()
    return carrying() if telemetry is None else _sending(telemetry, task, queue)


def carrying() -> AbstractContextManager[Sending]:
    """`sending` for jobs that another call adds later, such as the end of a node."""
    return nullcontext(Sending())


@contextmanager
def _sending(telemetry: "Telemetry", task: str | None, queue: str | None) -> Iterator[Sending]:
    attributes: dict[str, str | int] = {} if task is None else {"pgqueue.task": task}
    if (request := current_request()) is not None:
        attributes["messaging.message.conversation_id"] = request
    operation = telemetry.start("send", queue, attributes, is_root=False)
    try:
        with operation.within():
            yield Sending(telemetry, operation)
    except BaseException as error:
        operation.fail(qualified_name(type(error)), message_of(error)[:LINE])
        raise
    finally:
        telemetry.instruments.called(operation.end(), operation.kinds)
