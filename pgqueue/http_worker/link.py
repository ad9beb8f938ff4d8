"""The connection to the REST API: one client, with the answers that matter to a worker as exceptions."""

from typing import Any

import httpx

from .._json import dumps, loads_exactly
from ..errors import PgQueueError

ANSWER_WITHIN = 15.0  # seconds, beside what a poll waits
MOST_SAID = 500  # characters of a refusal


class Unreachable(PgQueueError):
    """The API does not answer, or cannot just now: the same request may be sent again."""


class Refused(PgQueueError):
    """The API has refused a request; sending it again does not help.

    Attributes:
        status: the HTTP status.
        kind: the last part of the problem's type, such as lease-lost.
    """

    def __init__(self, status: int, kind: str, detail: str) -> None:
        super().__init__(f"{status} {kind}: {detail}")
        self.status, self.kind = status, kind


class ApiLink:
    """Sends requests.

    Args:
        url: of the server, without /api/v1.
        key: an API key; None = none is needed.
    """

    def __init__(self, url: str, key: str | None) -> None:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._client = httpx.AsyncClient(base_url=f"{url.rstrip('/')}/api/v1", headers=headers, timeout=ANSWER_WITHIN)

    async def send(self, path: str, body: Any, wait: float = 0.0, method: str = "POST") -> Any:
        """The answer to a request, with numbers as they were sent.

        Args:
            path: below /api/v1.
            body: a value, or JSON text.
            wait: seconds that the server may wait before it answers.
            method: of HTTP.

        Raises:
            Unreachable: there is no answer, or one of 429 or 5xx.
            Refused: any other refusal.
        """
        text = body if isinstance(body, str) else dumps(body)
        try:
            answer = await self._client.request(method, path, content=text.encode(), timeout=ANSWER_WITHIN + wait)
        except httpx.HTTPError as error:
            raise Unreachable(f"{type(error).__name__}: {str(error)[:MOST_SAID]}") from None
        if answer.status_code < 400:
            return loads_exactly(answer.content)
        kind, detail = _problem(answer)
        if answer.status_code == 429 or answer.status_code >= 500:
            raise Unreachable(f"{answer.status_code} {kind}: {detail}")
        raise Refused(answer.status_code, kind, detail)

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()


def _problem(answer: httpx.Response) -> tuple[str, str]:
    try:
        found = answer.json()
        return str(found["type"]).rpartition("/")[2], str(found["detail"])[:MOST_SAID]
    except (ValueError, KeyError, TypeError):
        return "no problem of pgqueue", answer.text[:MOST_SAID]
