"""The kinds of problems, each as a page: what the `type` of a refusal names."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ..bodies.problems import ProblemKind, ProblemKinds
from ..callers.caller import OPEN
from ..endpoint import Endpoints
from ..here import at
from ..problems import BASE, KINDS, Problem

endpoints = Endpoints("problems")


@endpoints.get("/problems", may=OPEN, rate="none", model=ProblemKinds)
async def problems(request: Request) -> Response:
    """All kinds of problems that the API answers with."""
    return at(request).answer({"items": [_shown(kind) for kind in KINDS]})


@endpoints.get("/problems/{kind}", may=OPEN, rate="none", refuses=(404,), model=ProblemKind)
async def problem(request: Request, kind: str) -> Response:
    """One kind of problem: what it is, and what to do."""
    if kind not in KINDS:
        raise Problem("not-found", f"there is no kind of problem {kind[:100]!r}")
    return at(request).answer(_shown(kind))


def _shown(kind: str) -> dict[str, Any]:
    return {"type": BASE + kind, **KINDS[kind]._asdict()}
