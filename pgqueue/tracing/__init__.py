"""Where a job comes from: the id of a request and the context of a trace travel with it; see docs/tracing.md."""

from .carried import request_id

__all__ = ["request_id"]
