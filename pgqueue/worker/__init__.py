"""The worker: claim -> execute -> finish, one file each; liveness and maintenance beside them."""

from .options import WorkerOptions
from .worker import Worker

__all__ = ["Worker", "WorkerOptions"]
