"""Scripts and styles. Their version is in their path, so a browser keeps them for ever and never shows an old one."""

from functools import cache
from hashlib import sha256
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response

FOLDER = Path(__file__).with_name("static")
_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}


@cache
def version() -> str:
    """The version of all files together."""
    digest = sha256()
    for name in sorted(files()):
        digest.update(name.encode() + b"\0" + files()[name].read_bytes())
    return digest.hexdigest()[:12]


@cache
def files() -> dict[str, Path]:
    """The files that are served, by their paths."""
    found = [file for file in FOLDER.rglob("*") if file.suffix in _TYPES]
    return {file.relative_to(FOLDER).as_posix(): file for file in found}


async def serve(request: Request) -> Response:
    """A file."""
    file = files().get(request.path_params["path"])
    if file is None:
        return Response(status_code=404, headers={"X-Content-Type-Options": "nosniff"})
    is_current = request.path_params["version"] == version()
    kept = "public, max-age=31536000, immutable" if is_current else "no-cache"
    return FileResponse(
        file, media_type=_TYPES[file.suffix], headers={"Cache-Control": kept, "X-Content-Type-Options": "nosniff"}
    )
