"""What workers without a driver say about one run: how it ended, how far it is, what it logs, its steps and signals."""

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from ...database.calls import logs as log_calls
from ...database.calls import run as run_calls
from ...database.calls import steps as step_calls
from ...errors import JobNotFound
from .. import answers
from ..bodies.filters import id_of
from ..bodies.http_runs import (
    Complete,
    Done,
    Ended,
    Fail,
    Heard,
    Kept,
    Lines,
    Progress,
    Release,
    RunBody,
    RunSteps,
    RunToken,
    SaveStep,
    Snooze,
    Wait,
    WaitFor,
)
from ..bodies.http_workers import OutcomeBody
from ..callers.caller import WORKERS
from ..endpoint import Endpoints
from ..here import Here, at
from ..jobs import outcomes
from ..written import storable, written

endpoints = Endpoints("HTTP workers")
_ABOUT_ONE: dict[str, Any] = {"may": WORKERS, "rate": "lease", "is_bound": True, "refuses": (404, 409)}
_ENDS: dict[str, Any] = {**_ABOUT_ONE, "calls": ("finish", "confirm"), "model": Ended}


@endpoints.post("/jobs/{job_id}/complete", **_ENDS)
async def complete(request: Request, job_id: str, body: Complete) -> Response:
    """End a run: its job has succeeded."""
    return await _end(request, job_id, "succeeded", body)


@endpoints.post("/jobs/{job_id}/fail", **_ENDS)
async def fail(request: Request, job_id: str, body: Fail) -> Response:
    """End a run: it has failed. The job runs again as its retry policy says, or becomes a dead letter."""
    return await _end(request, job_id, "failed", body)


@endpoints.post("/jobs/{job_id}/snooze", **_ENDS)
async def snooze(request: Request, job_id: str, body: Snooze) -> Response:
    """End a run: its job runs again later, and the attempt does not count."""
    return await _end(request, job_id, "snoozed", body)


@endpoints.post("/jobs/{job_id}/wait", **_ENDS)
async def wait(request: Request, job_id: str, body: Wait) -> Response:
    """End a run: its job waits for a signal, and runs again when it has come."""
    return await _end(request, job_id, "waiting", body)


async def _end(request: Request, job_id: str, state: str, body: RunBody) -> Response:
    given = {name: getattr(body, name) for name in body.model_fields_set if name != "worker"}
    outcome = OutcomeBody.model_construct({*given, "id", "state"}, id=id_of("job_id", job_id), state=state, **given)
    here = at(request)
    verdict = await outcomes.finish_one(here, outcome, body.worker)
    return here.answer({"verdict": verdict.verdict, "run_at": verdict.run_at})


@endpoints.post("/jobs/{job_id}/release", calls=("give_back",), model=Done, **_ABOUT_ONE)
async def release(request: Request, job_id: str, body: Release) -> Response:
    """Give back a job that was not started: it is ready at once, and the attempt does not count."""
    here, id = at(request), id_of("job_id", job_id)
    await _check(here, id)
    released = await here.run(run_calls.give_back(body.token, [id]))
    return _done(here, id, bool(released))


@endpoints.post("/jobs/{job_id}/progress", calls=("progress",), model=Done, **_ABOUT_ONE)
async def progress(request: Request, job_id: str, body: Progress) -> Response:
    """Say how far a run has come."""
    here, id = at(request), id_of("job_id", job_id)
    await _check(here, id)
    stored = await here.run(run_calls.progress(id, str(body.token), body.done, body.total, body.note))
    if stored:
        here.service.upkeep.tell([], [id])
    return _done(here, id, stored)


@endpoints.post("/jobs/{job_id}/log", calls=("add_log",), model=Kept, **_ABOUT_ONE)
async def log(request: Request, job_id: str, body: Lines) -> Response:
    """Keep log lines of a run, in their order. They may come a moment after its end, and be sent again."""
    here, id = at(request), id_of("job_id", job_id)
    await _check(here, id)
    lines = [{"n": number, **storable(line.model_dump())} for number, line in enumerate(body.lines, body.first)]
    run = {"id": id, "token": body.token, "attempt": body.attempt, "lines": lines}
    kept = await here.run(log_calls.add_log(body.worker, written("lines", [run])))
    if kept.refused:
        raise outcomes.lease_lost(id)
    here.service.upkeep.tell([], [id])
    return here.answer({"most_lines": kept.most_lines, "most_bytes": kept.most_bytes})


@endpoints.post("/jobs/{job_id}/run-steps", calls=("run_steps",), model=RunSteps, **_ABOUT_ONE)
async def run_steps(request: Request, job_id: str, body: RunToken) -> Response:
    """Read the steps that the job has done, in earlier runs or in this one, to leave them out."""
    here, id = at(request), id_of("job_id", job_id)
    await _check(here, id)
    steps = await here.run(step_calls.run_steps(id, str(body.token)))
    if steps is None:
        raise outcomes.lease_lost(id)
    return answers.json({"steps": orjson.Fragment(steps)})


@endpoints.put("/jobs/{job_id}/steps/{name}", calls=("save_step",), model=Done, **_ABOUT_ONE)
async def save_step(request: Request, job_id: str, name: str, body: SaveStep) -> Response:
    """Note that a step is done, with its value. A step that is there already stays as it is."""
    here, id = at(request), id_of("job_id", job_id)
    await _check(here, id)
    value = None if body.value is None else written("value", body.value)
    return _done(here, id, await here.run(step_calls.save_step(id, str(body.token), name, value, body.elapsed)))


@endpoints.post("/jobs/{job_id}/wait-for", calls=("wait_for",), model=Heard, **_ABOUT_ONE)
async def wait_for(request: Request, job_id: str, body: WaitFor) -> Response:
    """Ask for a signal. If it has not come, the answer is `waits`: end the run with `wait`; the job runs again when it comes."""
    here, id = at(request), id_of("job_id", job_id)
    await _check(here, id)
    timeout = None if body.timeout is None else f"{body.timeout} seconds"
    told = await here.run(step_calls.wait_for(id, str(body.token), body.signal, timeout))
    if told.answer == "stale":
        raise outcomes.lease_lost(id)
    payload = None if told.payload is None else orjson.Fragment(told.payload)
    return answers.json({"answer": told.answer, "payload": payload, "until": told.until})


async def _check(here: Here, id: int) -> None:
    """Raise JobNotFound if the job is one of a queue that the key of the caller may not see."""
    if await outcomes.hidden_jobs(here, [id]):
        raise JobNotFound(f"there is no job {id}")


def _done(here: Here, id: int, stored: bool) -> Response:
    if not stored:
        raise outcomes.lease_lost(id)
    return here.answer({"stored": True})
