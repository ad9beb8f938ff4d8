"""pgqueue: a job queue whose only server is PostgreSQL."""

from .app import PgQueue
from .callbacks import JobError, JobEvent
from .context import JobContext
from .errors import PgQueueError
from .inject import INJECTED, Inject
from .job import Job
from .middleware import EnqueueCall
from .outcomes import Cancel, RetryIn, Snooze
from .retry import Retry
from .signature import Signature
from .task import Task
from .unique import Unique
from .version import __version__

__all__ = [
    "INJECTED",
    "Cancel",
    "EnqueueCall",
    "Inject",
    "Job",
    "JobContext",
    "JobError",
    "JobEvent",
    "PgQueue",
    "PgQueueError",
    "Retry",
    "RetryIn",
    "Signature",
    "Snooze",
    "Task",
    "Unique",
    "__version__",
]
