"""/metrics, for Prometheus."""

from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from ..endpoint import Endpoints
from ..here import at

endpoints = Endpoints("health")
_OPEN_METRICS: dict[int | str, dict[str, Any]] = {
    200: {"description": "The metrics", "content": {"application/openmetrics-text": {"schema": {"type": "string"}}}}
}


@endpoints.get(
    "/metrics",
    calls=("samples",),
    rate="none",
    is_root=True,
    is_quiet=True,
    response_class=PlainTextResponse,
    responses=_OPEN_METRICS,
)
async def metrics(request: Request) -> Response:
    """All metrics, as text for Prometheus or as OpenMetrics, by the header Accept; see docs/prometheus.md.

    They come from the database: several servers answer the same, and one of them is enough to be scraped.
    """
    text, media_type = await at(request).service.exposition.text(request.headers.get("accept", ""))
    return Response(text, media_type=media_type)
