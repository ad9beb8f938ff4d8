"""What a process of `pgqueue dev` is to do, as one line of text: a URL with a password must not stand in `ps`."""

from dataclasses import dataclass
from typing import Literal

from .._json import dumps, loads_own
from ..worker.launch import Launch


@dataclass(frozen=True, slots=True)
class Orders:
    """What a process is to do.

    Attributes:
        kind: work, or serve the dashboard.
        launch: the app, and how its worker works.
        port: where the dashboard is served.
        ready: number of a pipe into which a worker writes once its app is loaded and the schema is up to date; None = none.
    """

    kind: Literal["worker", "server"]
    launch: Launch
    port: int = 0
    ready: int | None = None

    def to_json(self) -> str:
        """As one line of text."""
        return dumps({"kind": self.kind, "launch": self.launch.to_json(), "port": self.port, "ready": self.ready})

    @classmethod
    def from_json(cls, text: str | bytes) -> "Orders":
        """Read the text that `to_json` wrote."""
        fields = loads_own(text)
        return cls(**fields | {"launch": Launch.from_json(fields["launch"])})
