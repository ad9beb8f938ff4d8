"""The paths of all pages on a seeded install: made of `pages.ALL`, so that a page that is added is visited, too."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

from pgqueue.dashboard.page import Page
from pgqueue.dashboard.pages import ALL

from .seeding import Seeded

PAGES = [page for page in ALL if page.method == "GET"]
ACTS = [page for page in ALL if page.method == "POST"]
# Pages that need a second right: a schedule makes jobs.
ALSO = {"/schedules/+new": "POST /jobs"}
PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")


def paths_of(page: Page, seeded: Seeded) -> list[str]:
    """The paths of a page, without a slash at their beginning; of a job one in each state."""
    if page.path.startswith("/jobs/{"):
        return [_filled(page.path, seeded, job=id) for _, id in sorted(seeded.jobs.items())]
    return [_filled(page.path, seeded, job=seeded.jobs["failed"])]


def path_of(page: Page, seeded: Seeded) -> str:
    """One path of a page or of an act."""
    return paths_of(page, seeded)[0]


def every_path(seeded: Seeded) -> Iterator[str]:
    """One path of each page."""
    for page in PAGES:
        yield path_of(page, seeded)


def _filled(path: str, seeded: Seeded, job: int) -> str:
    section = path.split("/")[1]
    filled = PARAMETER.sub(lambda found: quote(str(_value(section, found[1], seeded, job)), safe=""), path).lstrip("/")
    asked = _query(path, seeded, job)
    return f"{filled}?{urlencode(asked)}" if asked else filled


def _value(section: str, name: str, seeded: Seeded, job: int) -> Any:
    """What stands for a parameter; a KeyError says that it is to be added here."""
    if name == "name":
        return {"jobs": "args", "schedules": seeded.schedule, "queues": seeded.queue, "limits": seeded.limit, "pools": "mail"}[
            section
        ]
    return {
        "job_id": job, "workflow_id": seeded.workflow, "operation_id": seeded.operation, "fingerprint": seeded.fingerprint,
        "key": seeded.limit, "queue": seeded.queue, "worker_id": seeded.worker, "key_id": seeded.key, "kind": "queue",
    }[name]  # fmt: skip


def _query(path: str, seeded: Seeded, job: int) -> dict[str, Any]:
    """What a page must be asked with."""
    asked = {"/limits/+edit": {"key": seeded.limit}, "/operations/new": {"do": "cancel", "q": "queue:mail", "all": "1"}}
    return asked.get(path, {})
