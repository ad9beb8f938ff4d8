"""What a worker process says of itself: to the supervisor of its machine, to probes, and with its heartbeat."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args
from uuid import UUID

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
        """Read the text that `to_json` wrote; unknown fields are ignored: an old supervisor starts children of new code.

        Raises:
            ValueError: it is none; a handler may have written into the pipe.
        """
        fields: Any = loads_own(text)
        if not isinstance(fields, dict):
            raise ValueError("a status is an object")
        known = {name: value for name, value in fields.items() if name in cls.__slots__}
        if wrong := [name for name, value in known.items() if not _KINDS[name](value)]:
            raise ValueError(f"{wrong[0]} of a status is not valid")
        return cls(**known | {"running": tuple(known.get("running", ()))})


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_text_or_none(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_seconds(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e12  # NaN is no such number


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_count_or_none(value: Any) -> bool:
    return value is None or _is_count(value)


def _are_ids(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(id, int) for id in value)


def _is_state(value: Any) -> bool:
    return value in get_args(State)


def _is_id_or_none(value: Any) -> bool:
    with suppress(ValueError, TypeError, AttributeError):
        return value is None or str(UUID(value)) == value
    return False


_KINDS: Mapping[str, Callable[[Any], bool]] = {
    "state": _is_state,
    "worker": _is_id_or_none,
    "turned": _is_seconds,
    "claimed": _is_seconds,
    "connected": _is_flag,
    "wake_mode": _is_text,
    "running": _are_ids,
    "done": _is_count,
    "failed": _is_count,
    "lag": _is_seconds,
    "memory": _is_count_or_none,
    "last_error": _is_text_or_none,
    "restart": _is_flag,
    "drained": _is_flag,
}
