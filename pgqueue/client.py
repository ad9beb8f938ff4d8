"""One install as this process sees it: its settings, and connections that are opened at first use."""

from ._process import once
from .codec.parameters import Parameters
from .config import Settings, connection_url
from .database import AsyncPool, SyncPool
from .database.statement import Statements
from .waiting.listener import Waiting


class Client:
    """What handles on jobs and workflows need of an app.

    Args:
        settings: of the install.

    Attributes:
        parameters: the arguments and results of the registered tasks, by the tasks' names.
        waiting: makes waits for jobs.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.parameters: dict[str, Parameters] = {}
        self.waiting = Waiting(lambda: self.settings.listen_url or self.url, lambda: self.statements)

    @once
    def url(self) -> str:
        """Where to connect. Raises DatabaseNotConfigured when nothing says so."""
        return connection_url(self.settings)

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
        """Close this process's sync connections; the next call opens new ones."""
        self.waiting.close()
        self.database.close()

    async def aclose(self) -> None:
        """Close this event loop's connections; the next call opens new ones."""
        self.waiting.close()
        await self.async_database.close()
