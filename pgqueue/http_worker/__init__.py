"""A worker that runs the tasks of an app over the REST API, without a connection to the database: see docs/http-workers.md."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .worker import HttpWorker, HttpWorkerOptions

__all__ = ["HttpWorker", "HttpWorkerOptions"]


def __getattr__(name: str) -> Any:
    """Load the worker when it is asked for: `python -m pgqueue.http_worker` can say then that the extra is missing."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import worker

    return getattr(worker, name)
