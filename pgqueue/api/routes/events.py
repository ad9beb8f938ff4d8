"""Server-sent events: one job, the jobs of a filter, a workflow."""

from typing import Annotated, Any

from fastapi import Header, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ...database.calls import reads
from ...database.calls import workflows as workflow_calls
from ...errors import JobNotFound
from ...workflow.progress import no_workflow
from ..bodies.filters import JobFilter, id_of
from ..callers.caller import READERS, WORKERS
from ..endpoint import Endpoints
from ..events.job import JobSource, is_told
from ..events.jobs import JobsSource
from ..events.source import Source
from ..events.streams import Stream
from ..events.workflow import WorkflowSource, is_over, mark_of
from ..here import Here, at

endpoints = Endpoints("events")

_LAST = "the id of the last event that was got; for clients that cannot send the header Last-Event-ID"
LastId = Annotated[str | None, Header(alias="Last-Event-ID", max_length=200)]
LastIdQuery = Annotated[str | None, Query(description=_LAST, max_length=200)]
_NOTHING: dict[int | str, dict[str, Any]] = {204: {"description": "It is over, and this reader has been told so."}}


class _Documented(StreamingResponse):
    """What the document calls the answer. FastAPI would take a handler with EventSourceResponse for a generator."""

    media_type = "text/event-stream"


class EventsQuery(JobFilter):
    """A filter, and where to go on."""

    last_event_id: LastIdQuery = None


def _streamed(example: str) -> dict[str, Any]:
    """What the document says about a stream."""
    content = {"text/event-stream": {"schema": {"type": "string"}, "example": example}}
    return {"response_class": _Documented, "responses": {200: {"description": "Events", "content": content}, **_NOTHING}}


@endpoints.get(
    "/jobs/{job_id}/events",
    may=READERS | WORKERS,
    calls=("watch", "ask_watch"),
    is_bound=True,
    is_stream=True,
    refuses=(404,),
    **_streamed('event: state\ndata: {"state":"running","attempt":1,"reason":null,"is_over":false}\nid: 0.1.running.-\n\n'),
)
async def job_events(request: Request, job_id: str, last: LastId = None, last_event_id: LastIdQuery = None) -> Response:
    """Follow one job: its states, its progress and its log lines, until it is over.

    Every event has an id; a client that comes again with the id of its last event gets what it has missed. The event `reset`
    says that something cannot be told any more.
    """
    here, id, mark = at(request), id_of("job_id", job_id), last or last_event_id
    found = await here.run(reads.job(id))
    queues = here.caller.queues
    if not found or (queues is not None and found[0]["queue"] not in queues):
        raise JobNotFound(f"there is no job {job_id}; it never existed, is not committed yet, or the history no longer keeps it")
    if is_told(mark, found[0]["state"], found[0]["attempt"]):
        return Response(status_code=204)  # a browser would come again for ever
    return await _stream(here, ("job", id), mark, lambda: JobSource(here.service.streams.tools, id))


@endpoints.get(
    "/events",
    calls=("changed_jobs",),
    is_bound=True,
    is_stream=True,
    **_streamed('event: started\ndata: {"id":"7","state":"running","queue":"mail","task":"send","attempt":1}\nid: 6f0a-12\n\n'),
)
async def events(request: Request, asked: Annotated[EventsQuery, Query()], last: LastId = None) -> Response:
    """Follow all jobs of a filter: which were created, have started and have ended. No arguments and no results are told.

    What happens to a job between two looks, about a second, is told as the last of it.
    """
    here = at(request)
    text = JobFilter(**asked.model_dump(exclude={"last_event_id"})).as_sql(here.caller)
    return await _stream(here, ("jobs", text), last or asked.last_event_id, lambda: JobsSource(here.service.streams.tools, text))


@endpoints.get(
    "/workflows/{workflow_id}/events",
    is_stream=True,
    refuses=(404,),
    **_streamed('event: progress\ndata: {"id":"3","status":"running","nodes":10,"open":4,"is_over":false}\nid: 0d5c7a\n\n'),
)
async def workflow_events(request: Request, workflow_id: str, last: LastId = None, last_event_id: LastIdQuery = None) -> Response:
    """Follow the progress of a workflow, until it is over."""
    here, id, mark = at(request), id_of("workflow_id", workflow_id), last or last_event_id
    found = await here.run(workflow_calls.progress(id))
    if not found:
        raise no_workflow(id)
    if is_over(found) and mark == mark_of(found):
        return Response(status_code=204)
    return await _stream(here, ("workflow", id), mark, lambda: WorkflowSource(here.service.streams.tools, id))


async def _stream(here: Here, key: Any, mark: str | None, make: Any) -> Response:
    """A stream: what is wrong with it is said before it begins."""
    streams = here.service.streams
    source: Source = await streams.source(key, make)
    return Stream(streams, source, mark)
