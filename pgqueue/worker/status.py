"""What a worker process says of itself: to the supervisor of its machine, to probes, and with its heartbeat."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from .._json import dumps, loads_own

MOST_RUNNING = 1000  # ids of jobs in one status
LONGEST_ERROR = 500  # characters
State = Literal["booting", "ready", "draining"]


@dataclass(frozen=True, slots=True)
class Status:
    """A worker process at a moment.

    Attributes:
        state: booting until its first claim was answered; draining once it claims nothing more and will end.
        worker: the id of the worker; None until its lifespan was entered. It changes after a lost lease.
        turned: seconds since its event loop ran last, as far as somebody asked before.
        claimed: seconds since its claim loop made progress last; waiting for a free slot or for a lease is progress.
        connected: whether the database answers, as far as the worker knows.
        wake_mode: "notify", or "polling: …" with the reason.
        running: ids of jobs whose handlers run; at most 1000.
        done, failed: runs that have succeeded and failed since its start.
        lag: seconds for which its event loop was blocked at the longest, between the last two heartbeats.
        last_error: type and message of the last run that failed; at most 500 characters.
        restart: whether another process shall take its place when it has ended.
        drained: whether it was told to drain; without `restart` its place stays empty.
        memory: bytes of its resident memory; None = not known. Who asks for it fills it in: its supervisor looks at it anyway.
    """

    state: State = "booting"
    worker: str | None = None
    turned: float = 0.0
    claimed: float = 0.0
    connected: bool = False
    wake_mode: str = "starting"
    running: tuple[int, ...] = ()
    done: int = 0
    failed: int = 0
    lag: float = 0.0
    last_error: str | None = None
    restart: bool = False
    drained: bool = False
    memory: int | None = None

    def to_json(self) -> str:
        """As one line of text for another process."""
        return dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> "Status":
        """Read the text that `to_json` wrote; unknown fields are ignored: an old supervisor starts children of new code."""
        fields: dict[str, Any] = loads_own(text)
        known = {name: value for name, value in fields.items() if name in cls.__slots__}
        return cls(**known | {"running": tuple(known.get("running", ()))})
