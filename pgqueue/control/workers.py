"""What an app can do to its workers at run time."""

from uuid import UUID

from .._checks import invalid
from ..client import Client
from ..database import Call
from ..database.calls import workers as calls


class Workers:
    """The type of `app.workers`.

    Args:
        client: runs the calls on the install.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def drain(self, worker: UUID | str) -> bool:
        """Tell a worker to claim nothing more, and to end once its handlers have, however long they take.

        Args:
            worker: its id.

        Returns:
            Whether it was not told so before.

        Raises:
            InvalidArgument: it is no id of a worker.
            JobNotFound: there is no such worker.
            WrongState: it has missed its lease, or works over HTTP.
        """
        return self._client.database.run(_telling(worker, "drain"))

    async def adrain(self, worker: UUID | str) -> bool:
        """`drain` for async code."""
        return await self._client.async_database.run(_telling(worker, "drain"))

    def restart(self, worker: UUID | str) -> bool:
        """`drain`, with exit code 75: its supervisor, its agent, systemd or Kubernetes starts another process in its place."""
        return self._client.database.run(_telling(worker, "restart"))

    async def arestart(self, worker: UUID | str) -> bool:
        """`restart` for async code."""
        return await self._client.async_database.run(_telling(worker, "restart"))


def _telling(worker: UUID | str, what: str) -> Call[bool]:
    try:
        id = worker if isinstance(worker, UUID) else UUID(worker)
    except (ValueError, TypeError, AttributeError):
        raise invalid("worker", worker, "use the id of a worker, a UUID; pgqueue workers lists them") from None
    return calls.tell_worker(id, what)
