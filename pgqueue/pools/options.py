"""What an agent is started with."""

import re
from dataclasses import dataclass, field

from .._text import storable
from ..config import Settings, load_settings
from ..database.calls.agents import Slot, Turn
from ..errors import ConfigurationError
from ..probes.address import Address
from ..supervisor.recycle import Recycling
from ..worker.launch import Launch
from ..worker.options import WorkerOptions

MOST_SLOTS = 1000


@dataclass(frozen=True, slots=True)
class AgentOptions:
    """How an agent works.

    Attributes:
        pool: the name of its pool.
        slots: workers that it can run, 1 to 1000.
        name: shown with its pool.
        app: module:attribute; with it, the agent refuses to load another app, whatever the pool says. None = any.
        grace: seconds that running handlers may take to end when the agent stops; default 30.
        recycling: when its workers are replaced.
        given: settings of the command line, for its workers too.
        probes: where probes of all its workers are served; None = nowhere.

    Raises:
        ConfigurationError: the name of the pool or of the agent is invalid, or slots or grace are out of bounds.
    """

    pool: str
    slots: int
    name: str
    app: str | None = None
    grace: float = 30.0
    recycling: Recycling = field(default_factory=Recycling)
    given: Launch = field(default_factory=lambda: Launch("", WorkerOptions()))
    probes: Address | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_.:-]{1,100}", self.pool):
            raise ConfigurationError(f"pool: {self.pool[:50]!r} is not valid; use 1 to 100 letters, digits and . _ : -")
        if not 1 <= self.slots <= MOST_SLOTS:
            raise ConfigurationError(f"slots: {self.slots} is not valid; use 1 to {MOST_SLOTS}")
        WorkerOptions(grace=self.grace)  # refuses what no worker takes
        storable("name", self.name)
        if not self.name.strip() or len(self.name) > 200:
            raise ConfigurationError(f"name: {self.name[:50]!r} is not valid; use 1 to 200 characters")

    def check_app(self, app: str) -> None:
        """Refuse the app of the pool if this agent was told to load another one only.

        Raises:
            ConfigurationError: it is another one.
        """
        if self.app is not None and _whole(self.app) != app:
            raise ConfigurationError(
                f"app: the pool {self.pool} runs {app}, and this agent only {_whole(self.app)}; change one of them"
            )

    def launch(self, turn: Turn, slot: Slot) -> Launch:
        """What the worker of a slot is started with."""
        options = WorkerOptions(
            queues=tuple(_weighted(queue) for queue in turn.queues),
            concurrency=turn.concurrency,
            grace=self.grace,
            name=f"{self.name}-{slot.number}",
            about={"pool": self.pool, "slot": slot.number, "generation": slot.generation},
        )
        given = self.given
        return Launch(
            turn.app, options, given.database_url, given.schema, given.log_format, given.log_level, given.log_file
        )  # fmt: skip


def settings_of(given: Launch) -> Settings:
    """The settings of an agent: those of its command line, else of the environment."""
    return load_settings(**given.given())


def _whole(app: str) -> str:
    return app if ":" in app else f"{app}:app"


def _weighted(queue: str) -> tuple[str, float]:
    name, _, weight = queue.partition("=")
    return name, float(weight or 1)
