"""Refusals of the API in the words of a page: the API tells a program which header or field to look at, a page tells a person."""

from collections.abc import Mapping
from typing import Any

from ..api.problems import KINDS

_TITLES = {"forbidden": "You may not do this"}
_DETAILS = {"unauthorized": "it is not known, has expired or was revoked"}  # the API does not say which, and nor do we
_REMEDIES = {
    "invalid": "Nothing was done.",
    "unauthorized": "Sign in with a key that is valid.",
    "forbidden": "",  # the detail says what it needs
    "method-not-allowed": "",
    "wrong-state": "It may have changed meanwhile: load the page again.",
    "queue-full": "Nothing was enqueued; try again later.",
    "too-many-requests": "Wait a minute, and try again.",
    "too-many-streams": "Close some tabs of the dashboard.",
    "locked": "Try again in a few seconds.",
    "database-unavailable": "Try again in a few seconds; the log of the server says why.",
    "deadline": "Look whether it was done before you try again.",
}


def for_people(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document of a problem with the texts that a page shows; what is special to this refusal stays."""
    kind = str(document.get("type", "")).rpartition("/")[2]
    said = {"title": _TITLES.get(kind, document.get("title")), "detail": _DETAILS.get(kind, document.get("detail"))}
    if kind in _REMEDIES and document.get("remedy") == KINDS[kind].remedy:
        said["remedy"] = _REMEDIES[kind]
    return {**document, **said}
