"""pgqueue explain."""

from dataclasses import asdict
from typing import Any

from rich.text import Text

from ..database.calls import explain as calls
from .options import AsJson, DatabaseUrl, JobIds, Schema
from .output import console, for_each
from .secrets import safe
from .session import Session
from .table import folded

WORD = 14  # columns for the word of a cause, and the space behind it


def explain(
    ids: JobIds,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Say why a job does not run and when it will, who runs it, or how it has ended. The decisive cause comes first."""
    with Session(database_url, schema) as database:

        def explain_one(id: int) -> dict[str, Any]:
            return {"id": id, "causes": [asdict(cause) for cause in database.run(calls.explain(id))]}

        for_each(ids, explain_one, _said, as_json)


def _said(explained: dict[str, Any]) -> str:
    return "\n".join([f"job {explained['id']}", *(_sentence(cause["cause"], cause["says"]) for cause in explained["causes"])])


def _sentence(word: str, says: str) -> str:
    out = console()
    first, *more = folded(out, Text(safe(says)), max(out.width - WORD - 2, WORD))
    return "\n".join([f"  {word:<{WORD}}{first}", *(f"{'':{WORD + 2}}{line}" for line in more)])
