"""A worker that calls the API as a client in any language would."""

import uuid
from typing import Any

import httpx


class HttpWorker:
    """A registered worker.

    Args:
        api: the client.
        options: of its registration.
    """

    def __init__(self, api: httpx.Client, **options: Any) -> None:
        self.api = api
        self.id = self.post("/workers", {"queues": ["default"], **options}, 201)["id"]

    def post(self, path: str, body: Any, status: int = 200) -> Any:
        """The answer to a POST, which must have this status."""
        answer = self.api.post(path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def claim(self, want: int = 1, **options: Any) -> list[dict[str, Any]]:
        """Claimed jobs, each with its token."""
        answer = self.post(f"/workers/{self.id}/claim", {"want": want, **options})
        return [{**job, "token": answer["token"]} for job in answer["jobs"]]

    def finish(self, *outcomes: dict[str, Any]) -> list[str]:
        """The verdicts on outcomes, in their order."""
        return [one["verdict"] for one in self.post(f"/workers/{self.id}/finish", {"outcomes": outcomes})["verdicts"]]

    def beat(self, *running: str, **more: Any) -> Any:
        """The answer to a heartbeat."""
        return self.post(f"/workers/{self.id}/heartbeat", {"running": running, **more})

    def end(self, job: dict[str, Any], verb: str = "complete", status: int = 200, **body: Any) -> Any:
        """The answer to a verb on a job."""
        return self.post(f"/jobs/{job['id']}/{verb}", {"token": job["token"], "worker": self.id, **body}, status)


def succeeded(job: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The outcome of a job that has succeeded."""
    return {"id": job["id"], "token": job["token"], "state": "succeeded", **more}


def claim_id() -> str:
    """A new one."""
    return str(uuid.uuid4())
