"""The worker: claim -> execute -> finish, one file each; liveness and maintenance beside them."""

from .worker import Worker, WorkerOptions

__all__ = ["Worker", "WorkerOptions"]
