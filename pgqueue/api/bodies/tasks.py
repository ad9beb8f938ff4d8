"""Tasks as they are answered."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

MOST_TASKS = 1000  # that workers name, of a list
Known = Annotated[bool, Field(description="whether the server has the app of the task: only then it knows more than its name")]


class TaskOut(BaseModel):
    """A task."""

    name: Annotated[str, Field(examples=["send_mail"])]
    is_known: Known
    summary: Annotated[str | None, Field(description="the first paragraph of its docstring")]
    queue: Annotated[str | None, Field(description="where its jobs go, unless an enqueue says otherwise")]


class TasksOut(BaseModel):
    """The tasks that the server or active workers have, by name."""

    items: Annotated[list[TaskOut], Field(description=f"of those of workers alone, {MOST_TASKS:,} at most")]


class TaskOptions(BaseModel):
    """The options of its jobs, unless an enqueue says otherwise; times are in seconds."""

    queue: str
    priority: int
    retries: int
    unique: Literal["until_done", "until_started", "replace", "period"] | None
    timeout: Annotated[float | None, Field(description="that one run may take")]
    total_timeout: float | None
    expires_after: float | None
    result_ttl: float | None
    limits: list[str]
    fair: str | None


class TaskDetail(TaskOut):
    """A task with its arguments and options."""

    arguments: Annotated[
        dict[str, Any] | None, Field(description="the JSON schema of the object `args` of an enqueue; null if it is not known")
    ]
    options: TaskOptions | None
