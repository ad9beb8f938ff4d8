"""What a worker does at a moment."""

from uuid import UUID

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from ...database.calls import workers as calls
from ..bodies.workers import StacksOfWorker, StacksOut
from ..endpoint import Endpoints
from ..here import Here, at
from ..problems import Problem

endpoints = Endpoints("workers")


@endpoints.post("/workers/{worker_id}/stacks", calls=("ask_stacks",), refuses=(404, 409), status=202, model=StacksOut)
async def ask_stacks(request: Request, worker_id: UUID) -> Response:
    """Ask a worker what all of its threads, tasks and processes do just now. GET has the answer, in a moment.

    It answers although its event loop is blocked. Until then GET has the answer to the question before, if there was one.
    """
    here = at(request)
    with here.acting():
        await here.act(calls.ask_stacks(worker_id))
    return here.answer(await _found(here, worker_id), 202)


@endpoints.get("/workers/{worker_id}/stacks", refuses=(404,), model=StacksOut)
async def stacks(request: Request, worker_id: UUID) -> Response:
    """What a worker has answered last: files, lines and functions, never values. It is kept for an hour."""
    here = at(request)
    return here.answer(await _found(here, worker_id))


async def _found(here: Here, worker_id: UUID) -> dict[str, object]:
    found = await here.run(calls.stacks_of(worker_id))
    if not found:
        raise Problem("not-found", f"nobody has asked for the stacks of worker {worker_id} in the last hour; POST asks")
    (row,) = found
    is_open = row["answered_at"] is None or row["answered_at"] < row["asked_at"]
    return row | {"is_open": is_open, "stacks": None if row["stacks"] is None else _told(row["stacks"])}


def _told(stacks: object) -> dict[str, object]:
    """What a worker has said, with all fields: workers of other versions may say less, or something else."""
    try:
        return StacksOfWorker.model_validate(stacks).model_dump()
    except ValidationError:
        problem = "the answer of this worker cannot be read: is it of another version?"
        return StacksOfWorker.model_validate({"pid": 0, "python": "", "blocked_for": 0, "problem": problem}).model_dump()
