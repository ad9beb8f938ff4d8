"""pgqueue: a job queue whose only server is PostgreSQL."""

from .app import PgQueue
from .callbacks import JobError, JobEvent
from .canvas import Canvas, Chain, Group, chain, chord, group
from .context import JobContext
from .errors import (
    InvalidArgument,
    JobCancelled,
    JobFailed,
    JobNotFound,
    LeaseLost,
    PgQueueError,
    ResultExpired,
    ResultTimeout,
    ResultUnreadable,
)
from .graph import Graph, GraphEdge, GraphNode
from .inject import INJECTED, Inject
from .job import Job
from .limit import Limit
from .limits import LimitStatus
from .middleware import EnqueueCall
from .outcomes import Cancel, RateLimited, RetryIn, Snooze
from .parents import Parent
from .retry import Retry
from .signature import Signature
from .task import Task
from .unique import Unique
from .version import __version__
from .workflow import Workflow
from .workflow_builder import WorkflowBuilder
from .workflow_progress import WorkflowProgress

__all__ = [
    "INJECTED",
    "Cancel",
    "Canvas",
    "Chain",
    "EnqueueCall",
    "Graph",
    "GraphEdge",
    "GraphNode",
    "Group",
    "Inject",
    "InvalidArgument",
    "Job",
    "JobCancelled",
    "JobContext",
    "JobError",
    "JobEvent",
    "JobFailed",
    "JobNotFound",
    "LeaseLost",
    "Limit",
    "LimitStatus",
    "Parent",
    "PgQueue",
    "PgQueueError",
    "RateLimited",
    "ResultExpired",
    "ResultTimeout",
    "ResultUnreadable",
    "Retry",
    "RetryIn",
    "Signature",
    "Snooze",
    "Task",
    "Unique",
    "Workflow",
    "WorkflowBuilder",
    "WorkflowProgress",
    "__version__",
    "chain",
    "chord",
    "group",
]
