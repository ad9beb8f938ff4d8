"""What a handler may raise, by name; processes import this too."""

import asyncio
import concurrent.futures
from collections.abc import Callable

from pgqueue.outcomes import RateLimited


class _TextRaises(Exception):
    def __str__(self) -> str:
        raise KeyboardInterrupt("in str")


class _ReprRaises(Exception):
    def __repr__(self) -> str:
        raise SystemExit("in repr")


class _ReduceRaises(Exception):
    def __reduce__(self) -> str:
        raise GeneratorExit("in reduce")


class _NotesRaise(Exception):
    @property
    def __notes__(self) -> list[str]:  # type: ignore[override]
        raise RecursionError("in notes")


class _HalfMade(RateLimited):
    """Lacks all that its class promises."""

    def __init__(self) -> None: ...


RAISED: dict[str, Callable[[], BaseException]] = {
    "KeyboardInterrupt": KeyboardInterrupt,
    "SystemExit": lambda: SystemExit(3),
    "GeneratorExit": GeneratorExit,
    "CancelledError": asyncio.CancelledError,
    "CancelledError of a future": concurrent.futures.CancelledError,
    "StopIteration": StopIteration,
    "StopAsyncIteration": StopAsyncIteration,
    "MemoryError": MemoryError,
    "RecursionError": RecursionError,
    "BaseExceptionGroup": lambda: BaseExceptionGroup("group", [KeyboardInterrupt(), SystemExit(), GeneratorExit()]),
    "ExceptionGroup": lambda: ExceptionGroup("group", [MemoryError(), _TextRaises()]),
    "its __str__ raises": _TextRaises,
    "its __repr__ raises": _ReprRaises,
    "its __reduce__ raises": _ReduceRaises,
    "its __notes__ raise": _NotesRaise,
    "a RateLimited without anything": _HalfMade,
}


def throw(kind: str) -> None:
    """Raise it."""
    raise RAISED[kind]()
