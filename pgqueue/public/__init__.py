"""All public names; `pgqueue` itself imports them when the first is used."""

from ..app import PgQueue
from ..context import JobContext
from ..control.alerts import DeadLetterAlert
from ..control.pool_values import PoolSettings
from ..control.queue_settings import QueueSettings
from ..database.acting import acting_as
from ..database.calls.dead import DeadCount, DeadGroup
from ..database.calls.doctor import Finding
from ..database.calls.explain import Cause
from ..database.calls.metrics import Figures, Metrics, MetricStep, WorkerFigures
from ..database.calls.pool_reads import PoolStatus
from ..database.calls.queues import Pause
from ..errors import (
    CancelRequested,
    DrainTimeout,
    InvalidArgument,
    JobCancelled,
    JobFailed,
    JobNotFound,
    LeaseLost,
    PgQueueError,
    PoolNotFound,
    QueueFull,
    ResultExpired,
    ResultTimeout,
    ResultUnreadable,
    ResultWithheld,
    ScheduleNotFound,
    SignalTimeout,
    SoftTimeout,
    Timeout,
)
from ..hooks import JobError, JobEvent
from ..inject import INJECTED, Inject
from ..job import Job
from ..limits.limit import Limit
from ..limits.limits import LimitStatus
from ..middleware import EnqueueCall
from ..outcomes import Cancel, RateLimited, RetryIn, Snooze
from ..retry import Retry
from ..schedules.at import at
from ..schedules.schedule import Schedule
from ..schedules.schedules import ScheduleStatus
from ..task import Task
from ..unique import Unique
from ..version import __version__
from ..watching.line import LogLine
from ..watching.watch import JobChange
from ..workflow.builder import WorkflowBuilder
from ..workflow.canvas import Canvas, Chain, Group, Signature, chain, chord, group
from ..workflow.graph import Graph, GraphEdge, GraphNode
from ..workflow.node import Parent
from ..workflow.progress import WorkflowProgress
from ..workflow.workflow import Workflow

__all__ = [
    "INJECTED",
    "Cancel",
    "CancelRequested",
    "Canvas",
    "Cause",
    "Chain",
    "DeadCount",
    "DeadGroup",
    "DeadLetterAlert",
    "DrainTimeout",
    "EnqueueCall",
    "Figures",
    "Finding",
    "Graph",
    "GraphEdge",
    "GraphNode",
    "Group",
    "Inject",
    "InvalidArgument",
    "Job",
    "JobCancelled",
    "JobChange",
    "JobContext",
    "JobError",
    "JobEvent",
    "JobFailed",
    "JobNotFound",
    "LeaseLost",
    "Limit",
    "LimitStatus",
    "LogLine",
    "MetricStep",
    "Metrics",
    "Parent",
    "Pause",
    "PgQueue",
    "PgQueueError",
    "PoolNotFound",
    "PoolSettings",
    "PoolStatus",
    "QueueFull",
    "QueueSettings",
    "RateLimited",
    "ResultExpired",
    "ResultTimeout",
    "ResultUnreadable",
    "ResultWithheld",
    "Retry",
    "RetryIn",
    "Schedule",
    "ScheduleNotFound",
    "ScheduleStatus",
    "SignalTimeout",
    "Signature",
    "Snooze",
    "SoftTimeout",
    "Task",
    "Timeout",
    "Unique",
    "WorkerFigures",
    "Workflow",
    "WorkflowBuilder",
    "WorkflowProgress",
    "__version__",
    "acting_as",
    "at",
    "chain",
    "chord",
    "group",
]
