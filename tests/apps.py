"""The app behind a task or a job of a test."""

from typing import Any

from pgqueue import Job, PgQueue, Task


def app_of(what: Task[..., Any] | Job[Any]) -> PgQueue:
    """The app; the package itself knows only the part of it that stands below tasks and jobs."""
    app = what._app if isinstance(what, Task) else what._client
    assert isinstance(app, PgQueue)
    return app
