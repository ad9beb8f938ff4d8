"""Answers are compressed here, and not by a middleware of the application: so it works mounted, included, and alone."""

import asyncio
import zlib

from starlette.requests import Request
from starlette.responses import Response

LEAST = 1024  # bytes of a body that is worth it
LARGE = 2**17  # bytes of a body that is compressed in a thread: it takes milliseconds
_LEVEL = 4
_GZIP = 16 + zlib.MAX_WBITS


async def compressed(request: Request, response: Response) -> Response:
    """The response, compressed by gzip if the caller takes that and it is worth it. Streams stay as they are."""
    body = getattr(response, "body", b"")
    if len(body) < LEAST or "content-encoding" in response.headers:
        return response
    response.headers.add_vary_header("Accept-Encoding")
    if not _takes_gzip(request.headers.get("accept-encoding", "")):
        return response
    response.body = await asyncio.to_thread(_gzip, body) if len(body) >= LARGE else _gzip(body)
    response.headers["Content-Encoding"] = "gzip"
    response.headers["Content-Length"] = str(len(response.body))
    return response


def _gzip(body: bytes) -> bytes:
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    return packer.compress(body) + packer.flush()


def _takes_gzip(accepted: str) -> bool:
    for part in accepted.lower().split(","):
        coding, _, quality = part.partition(";")
        if coding.strip() in ("gzip", "*"):
            return quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
