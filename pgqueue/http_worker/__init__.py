"""A worker that runs the tasks of an app over the REST API, without a connection to the database: see docs/http-workers.md."""

from .worker import HttpWorker, HttpWorkerOptions

__all__ = ["HttpWorker", "HttpWorkerOptions"]
