"""Handlers that a test runs in a process, which imports this module."""

from opentelemetry import trace

from pgqueue import PgQueue
from pgqueue.tracing import request_id

app = PgQueue("postgresql://nobody@localhost:1/nothing", schema="elsewhere")


@app.task
async def child() -> str | None:
    """The request that it belongs to."""
    return request_id.get()


@app.task(executor="process")
def spread() -> str | None:
    """Adds a job."""
    child.enqueue()
    return request_id.get()


@app.task(executor="process")
def look_into() -> None:
    """A span of the application."""
    with trace.get_tracer("shop").start_as_current_span("own"):
        pass
