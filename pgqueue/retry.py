"""How often and when a failed job runs again. The rules are in SQL (`retry_delay`, `retry_applies`); this describes a policy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ._text import NAME, cut, shortened
from .errors import ConfigurationError

Backoff = Literal["exponential", "linear", "fixed", "fibonacci"]
ExceptionNames = Sequence[type[BaseException] | str]


@dataclass(frozen=True, slots=True)
class Retry:
    """A retry policy, stored with each job.

    Args:
        retries: runs after the first run; 3 by default, so at most 4 runs. 0 = never.
        backoff: "exponential" (1, 2, 4, 8, … s), "linear", "fixed", "fibonacci", or a list of seconds whose last value repeats.
        delay: seconds before the first retry; 1 by default. Invalid with a list.
        step: seconds that "linear" adds each time; 0 by default.
        cap: the longest wait in seconds; 300 by default for exponential and fibonacci, whose waits grow quickly.
        jitter: wait a random time between half of the delay and the delay; on by default.
        only: retry only these exceptions and their subclasses. Classes or their names.
        never: do not retry these exceptions and their subclasses; takes precedence over `only`.

    Raises:
        ConfigurationError: an argument is out of range.
    """

    retries: int = 3
    backoff: Backoff | Sequence[float] = "exponential"
    delay: float = 1
    step: float = 0
    cap: float | None = None
    jitter: bool = True
    only: ExceptionNames = ()
    never: ExceptionNames = ()

    def __post_init__(self) -> None:
        if not isinstance(self.retries, int | float) or not 0 <= self.retries <= 32766:
            raise ConfigurationError(f"retries: {shortened(self.retries)} is not valid; use 0 to 32766")

    def policy(self) -> dict[str, Any] | None:
        """The policy in the form that SQL takes, or None for the default policy."""
        listed = not isinstance(self.backoff, str)
        spelled = {
            "backoff": "list" if listed else self.backoff,
            "delays": list(self.backoff) if listed else None,
            "delay": self.delay,
            "step": self.step,
            "cap": self.cap,
            "jitter": self.jitter,
            "only": [_name(e) for e in self.only],
            "never": [_name(e) for e in self.never],
        }
        return {k: v for k, v in spelled.items() if v not in _DEFAULTS[k]} or None


_DEFAULTS: dict[str, tuple[Any, ...]] = {
    "backoff": ("exponential",),
    "delays": (None,),
    "delay": (1,),
    "step": (0,),
    "cap": (None,),
    "jitter": (True,),
    "only": ([],),
    "never": ([],),
}


def _name(exception: type[BaseException] | str) -> str:
    return exception if isinstance(exception, str) else qualified_name(exception)


def qualified_name(exception: type[BaseException]) -> str:
    """The name of an exception class in a policy: `ValueError`, `package.module.Error`."""
    module = exception.__module__
    return cut(exception.__qualname__ if module == "builtins" else f"{module}.{exception.__qualname__}", NAME)
