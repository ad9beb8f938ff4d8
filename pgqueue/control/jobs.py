"""Many jobs at once: those that a filter describes."""

from ..client import Client


class Jobs:
    """The jobs that a filter describes, as `app.jobs(state="failed", queue="mail")` returns them. Nothing is looked up before a
    method is called, and each call looks again.

    Args:
        client: runs the calls on the install.
        filter: as JSON text, see `filter_json`.
    """

    def __init__(self, client: Client, filter: str) -> None:
        self._client, self._filter = client, filter

    def __repr__(self) -> str:
        return f"Jobs({self._filter})"
