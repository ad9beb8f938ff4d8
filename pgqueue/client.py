"""The settings of one install, and connections to it that are opened at first use."""

from typing import TYPE_CHECKING

from ._process import once
from .config import Settings, connection_url
from .database import AsyncPool, SyncPool
from .database.statement import Statements
from .waiting.listener import Waiting

if TYPE_CHECKING:
    from .codec.parameters import Parameters


class Client:
    """The part of an app that handles on jobs and workflows need.

    Args:
        settings: the settings of the install.

    Attributes:
        parameters: the arguments and results of the registered tasks, by the tasks' names.
        waiting: makes waits for jobs.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.parameters: dict[str, Parameters] = {}
        self.waiting = Waiting(lambda: self.listen_url, lambda: self.statements)

    @once
    def url(self) -> str:
        """The URL to connect to. Raises DatabaseNotConfigured if there is none."""
        return connection_url(self.settings)

    @property
    def listen_url(self) -> str:
        """The URL of a direct connection, for LISTEN and heartbeats."""
        given = self.settings.listen_url
        return given.get_secret_value() if given else self.url

    @once
    def statements(self) -> Statements:
        """The statements of this install."""
        return Statements(self.settings.schema_name)

    @once
    def database(self) -> SyncPool:
        """Runs calls for sync code."""
        return SyncPool(self.url, self.statements, self.settings.pool_size)

    @once
    def async_database(self) -> AsyncPool:
        """Runs calls for async code."""
        return AsyncPool(self.url, self.statements, self.settings.pool_size)

    def close(self) -> None:
        """Close the sync connections of this process; the next call opens new connections."""
        self.waiting.close()
        self.database.close()

    async def aclose(self) -> None:
        """Close the connections of this event loop; the next call opens new connections."""
        self.waiting.close()
        await self.async_database.close()
