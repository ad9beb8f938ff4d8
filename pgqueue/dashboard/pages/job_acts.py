"""What people do with one job."""

from typing import Any

from starlette.responses import Response

from ...api import exact
from ..ask import Refused
from ..guard import back_of
from ..page import Form, Pages, Visit

pages = Pages()
_CANCELLED = {
    "cancelled": "Cancelled.",
    "asked": "Its worker was asked to stop it.",
    "fenced": "It is over. Its handler may still work, but nothing that it does counts for this job.",
}


@pages.act("/jobs/{job_id:pgqueue_id}/run-now", of="PATCH /jobs/{job_id}")
async def run_now(at: Visit, form: Form, job_id: int) -> Response:
    """Let it wait no longer."""
    await at.tell("PATCH", f"/jobs/{job_id}", {"run_after": 0})
    return at.go(back_of(at, form), said=f"Job {job_id} is due now.")


@pages.act("/jobs/{job_id:pgqueue_id}/change", of="PATCH /jobs/{job_id}")
async def change(at: Visit, form: Form, job_id: int) -> Response:
    """Change its queue, its priority, or when it runs."""
    body = {name: form.number(name) for name in ("priority", "run_after")} | {"queue": form.text("queue")}
    await at.tell("PATCH", f"/jobs/{job_id}", {name: value for name, value in body.items() if value is not None})
    return at.go(back_of(at, form), said=f"Job {job_id} was changed.")


@pages.act("/jobs/{job_id:pgqueue_id}/cancel", of="POST /jobs/{job_id}/cancel")
async def cancel(at: Visit, form: Form, job_id: int) -> Response:
    """End it: at once if it waits, by its worker if it runs, or by force."""
    how = form.get("how", "ask")
    body: dict[str, Any] = {"reason": form.text("reason"), "force": how == "force"}
    if how == "after":
        body["force_after"] = 60 if (given := form.number("seconds")) is None else given
    answer = await at.tell("POST", f"/jobs/{job_id}/cancel", body)
    return at.go(back_of(at, form), said=f"Job {job_id}: {_CANCELLED[answer['did']]}")


@pages.act("/jobs/{job_id:pgqueue_id}/retry", of="POST /jobs/{job_id}/retry")
async def retry(at: Visit, form: Form, job_id: int) -> Response:
    """Run it again; what is over runs as a new job."""
    body = {"force": "force" in form, "keep_attempts": True if "keep_attempts" in form else None}
    answer = await at.tell("POST", f"/jobs/{job_id}/retry", body)
    again = answer["runs_as"]
    if answer["duplicate"]:
        return at.go(f"jobs/{again}", said=f"Nothing was done: job {again} has the same key and is not over. This is it.")
    if again != str(job_id):
        return at.go(f"jobs/{again}", said=f"Job {job_id} runs again as this job.")
    return at.go(back_of(at, form), said=f"Job {job_id} runs again.")


@pages.act("/jobs/{job_id:pgqueue_id}/signal", of="POST /jobs/{job_id}/signal")
async def signal(at: Visit, form: Form, job_id: int) -> Response:
    """Tell it something."""
    name = form.get("name", "")
    answer = await at.tell("POST", f"/jobs/{job_id}/signal", {"name": name, "payload": _json(form.text("payload"))})
    told = f"Job {job_id} was told {name[:100]!r}."
    already = f"Nothing was done: job {job_id} has this signal already, or does not wait for it any more."
    return at.go(back_of(at, form), said=told if answer["stored"] else already)


@pages.act("/jobs/{job_id:pgqueue_id}/discard", of="POST /jobs/{job_id}/discard")
async def discard(at: Visit, form: Form, job_id: int) -> Response:
    """Remove a dead letter for good."""
    await at.tell("POST", f"/jobs/{job_id}/discard", {"reason": form.text("reason")})
    return at.go("dead-letters" if at.can("GET /dead-letters") else "", said=f"Job {job_id} was discarded.")


def _json(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return exact.read(text.encode())
    except (ValueError, RecursionError):
        problem = {"title": "Not JSON", "detail": "payload: it is no JSON", "remedy": 'Put a text in quotes: "yes".'}
        raise Refused(422, problem) from None
