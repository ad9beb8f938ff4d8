"""One job: where it is and why, what happened to it, what it was given and what it has returned."""

from typing import Any

from starlette.responses import Response

from ...insight import short
from ..ask import Refused
from ..jobs import sentences
from ..jobs.numbers import number
from ..jobs.timeline import timeline
from ..jobs.tree import Bounds, Branch, tree
from ..page import Pages, Visit
from ..render import json_text

pages = Pages()
SMALL = 4096  # bytes of JSON that are shown at once; more is folded
LARGE = 65_536  # more is shown on a page of its own
LINES, MOST_LINES = 200, 1000  # of the log: on the page of the job, and on a page of its own
AROUND = 20  # parents, and children
MOST_STEPS = 100
ALONE = Bounds(nodes=3000, members=1000, text=20_000)  # of a value on a page of its own


@pages.page("/jobs/{job_id:pgqueue_id}", of="GET /jobs/{job_id}")
async def job(at: Visit, job_id: int) -> Response:
    """The job."""
    path = f"/jobs/{job_id}"
    causes = at.panel(f"{path}/explain")
    lines = at.panel(f"{path}/logs", order="last", limit=LINES)
    changes = at.panel("/audit", kind="job", subject=str(job_id), limit=5) if at.can("GET /audit") else None
    found = await at.ask(path, most=LARGE)
    around = at.panel(f"{path}/relatives", limit=AROUND) if found["workflow_id"] is not None else None
    return await at.show(
        "job.html",
        f"Job {job_id}",
        job=found,
        causes=causes,
        lines=lines,
        changes=changes,
        around=around,
        line=timeline(found),
        values=_values(found),
        attempts=_attempts(found),
        steps=found["steps"][-MOST_STEPS:],
        sentences=sentences,
        tree=tree,
        retried=int(number((found["control"] or {}).get("retried")) or 0),
        timeout=number((found["terms"] or {}).get("timeout")),
        progress=_progress(found["progress"]),
    )


@pages.page("/jobs/{job_id:pgqueue_id}/log", of="GET /jobs/{job_id}/logs")
async def log(at: Visit, job_id: int) -> Response:
    """All of its lines, page by page, the last ones first."""
    lines = await at.ask(f"/jobs/{job_id}/logs", order="last", limit=MOST_LINES, cursor=at.query.get("cursor"))
    return await at.show("job_log.html", f"Log of job {job_id}", lines=lines, job_id=job_id)


@pages.page("/jobs/{job_id:pgqueue_id}/args", of="GET /jobs/{job_id}")
async def args(at: Visit, job_id: int) -> Response:
    """Its arguments, however large."""
    return await _alone(at, job_id, "args", "Arguments")


@pages.page("/jobs/{job_id:pgqueue_id}/result", of="GET /jobs/{job_id}/result")
async def result(at: Visit, job_id: int) -> Response:
    """Its result, however large."""
    return await _alone(at, job_id, "result", "Result")


@pages.page("/jobs/{job_id:pgqueue_id}/meta", of="GET /jobs/{job_id}")
async def meta(at: Visit, job_id: int) -> Response:
    """Its meta, however large."""
    return await _alone(at, job_id, "meta", "Meta")


@pages.page("/jobs/{job_id:pgqueue_id}/{name}.json", of="GET /jobs/{job_id}")
async def download(at: Visit, job_id: int, name: str) -> Response:
    """A value as a file."""
    if name not in ("args", "result", "meta"):
        raise Refused(404, {"title": "Not found", "detail": "there is no such file", "remedy": "Go back to the job."})
    text = json_text(await _value(at, job_id, name), indented=False)
    headers = {"Content-Disposition": f'attachment; filename="job-{job_id}-{name}.json"'}
    return Response(text, 200, headers, "application/json")


async def _alone(at: Visit, job_id: int, name: str, title: str) -> Response:
    value = await _value(at, job_id, name)
    branch = tree(value, name, ALONE)
    size = len(json_text(value, indented=False).encode())
    return await at.show("job_value.html", f"{title} of job {job_id}", branch=branch, size=size, name=name, job_id=job_id)


async def _value(at: Visit, job_id: int, name: str) -> Any:
    """A value of any size: not shared with others, because what is shared is kept for a while."""
    if name == "result":
        return (await at.fetch(f"/jobs/{job_id}/result"))["value"]
    return (await at.fetch(f"/jobs/{job_id}"))[name]


def _values(job: dict[str, Any]) -> list[dict[str, Any]]:
    """Arguments, meta and result, each as a tree, folded or only named, by its size."""
    sizes = job["sizes"] or {}
    found = list[dict[str, Any]]()
    for name, title in (("args", "Arguments"), ("result", "Result"), ("meta", "Meta")):
        if name in sizes:
            found.append({"name": name, "title": title, "size": sizes[name], "tree": None, "text": None})
        elif job[name] is not None:
            found.append(_shown(name, title, job[name]))
    return found


def _shown(name: str, title: str, value: Any) -> dict[str, Any]:
    text = json_text(value)
    size = len(json_text(value, indented=False).encode())
    branch: Branch = tree(value, name, is_open=size <= SMALL)
    return {"name": name, "title": title, "size": size, "tree": branch, "text": text, "is_folded": size > SMALL}


def _attempts(job: dict[str, Any]) -> list[dict[str, Any]]:
    """What each run that failed has left, the last one first."""
    return [error for error in reversed(job["errors"] or []) if isinstance(error, dict)]


def _progress(progress: Any) -> dict[str, Any] | None:
    """How far it has come, in numbers and in words."""
    if not isinstance(progress, dict) or (done := number(progress.get("done"))) is None:
        return None
    total = number(progress.get("total"))
    words = f"{short.count(done)} of {short.count(total)}" if total else short.count(done)
    return {"share": done / total if total else None, "words": words, "note": progress.get("note"), "at": progress.get("at")}
