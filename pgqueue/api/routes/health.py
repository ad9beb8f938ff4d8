"""Whether this process and its database work: for probes and for people."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ...version import __version__
from .. import answers
from ..bodies.health import Alive, HealthReport, Ready
from ..callers.caller import OPEN
from ..endpoint import Endpoints
from ..health.health import Health
from ..health.replica import Replica
from ..here import Here, at
from ..problems import KINDS, Problem

endpoints = Endpoints("health")
OF_ALL: dict[str, Any] = {"may": OPEN, "rate": "none", "is_root": True, "is_quiet": True}
FRESH = {"Cache-Control": "no-store"}


class HealthJson(JSONResponse):
    """The media type of a document about health."""

    media_type = "application/health+json"


_FAILS: dict[int | str, dict[str, Any]] = {503: {"description": "It fails", "model": HealthReport}}


@endpoints.get("/health/live", model=Alive, **OF_ALL)
async def live(request: Request) -> Response:
    """Whether this process answers; the database is not asked.

    If not, it is to be started again.
    """
    return answers.json({"status": "pass"}, headers=FRESH)


@endpoints.get("/health/ready", model=Ready, **OF_ALL)
async def ready(request: Request) -> Response:
    """Whether requests can be served: the database answers, and its schema is that of this version.

    If not, requests are to be sent elsewhere for now.
    """
    here = at(request)
    found = await here.service.health.get()
    if found.problem is not None:
        # A new one with no more than its kind: whoever asks here has no key.
        raise Problem(found.problem.kind, KINDS[found.problem.kind].title, found.problem.headers)
    body = {"status": "pass", "schema_version": found.schema_version, "workers": found.workers, "listening": _mode(here)}
    return answers.json(body, headers=FRESH)


@endpoints.get("/health", model=HealthReport, response_class=HealthJson, responses=_FAILS, **OF_ALL)
async def health(request: Request) -> Response:
    """All that is known of the health of this process, for people."""
    here = at(request)
    checks = _checks(await here.service.health.get(), _mode(here)) | _of_replica(here.service.replica)
    status = next(one for one in ("fail", "warn", "pass") if one in {check["status"] for [check] in checks.values()})
    report = {
        "status": status,
        "version": "1",
        "releaseId": __version__,
        "description": "the REST API of pgqueue",
        "checks": checks,
    }
    return answers.json(report, 503 if status == "fail" else 200, FRESH, HealthJson.media_type)


def _checks(found: Health, mode: str) -> dict[str, list[dict[str, Any]]]:
    return {
        "database:responseTime": [_database(found)],
        "workers:alive": [{"status": "pass" if found.workers else "warn", "observedValue": found.workers}],
        "notifications:mode": [{"status": "pass", "observedValue": mode}],
    }


def _of_replica(replica: Replica | None) -> dict[str, list[dict[str, Any]]]:
    """Nothing where there is none. That it is away is a warning: the primary answers in its place."""
    if replica is None:
        return {}
    replica.serves(None)
    if (lag := replica.lag) is None:
        return {"replica:lag": [{"status": "warn", "output": "It is not asked: it is away, late, or was not in use lately."}]}
    return {"replica:lag": [{"status": "pass", "observedValue": round(lag, 3), "observedUnit": "s"}]}


def _database(found: Health) -> dict[str, Any]:
    if found.problem is None:
        return {"status": "pass", "observedValue": found.ms, "observedUnit": "ms"}
    return {"status": "fail", "output": f"{KINDS[found.problem.kind].title}. {KINDS[found.problem.kind].remedy}"}


def _mode(here: Here) -> str:
    """Without the reason: it may name hosts."""
    return here.service.hub.mode.partition(":")[0]
