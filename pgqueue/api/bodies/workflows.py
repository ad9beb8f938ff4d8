"""Models of workflows."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ...unique import UniqueMode
from .enqueue import UniqueIn
from .fields import STATES, Arguments, Body, Flag, Priority, Span, Time, Whole

Status = Literal["running", "succeeded", "failed", "cancelled", "skipped"]
NodeState = STATES | Literal["skipped"]
When = Literal["succeeded", "finished", "failed"]
Text = Annotated[str, Field(min_length=1, max_length=200)]


class ParentIn(Body):
    """A node that another one waits for."""

    model_config = ConfigDict(extra="forbid")

    name: Text
    when: When = Field("succeeded", description="how it must end")


class CallIn(Body):
    """A call of a task; its options are those of an enqueue, and those of the task if this server knows it."""

    model_config = ConfigDict(extra="forbid")

    task: str = Field(min_length=1, max_length=200, examples=["fetch"])
    args: Arguments = Field(default_factory=dict)
    queue: Text | None = None
    priority: Priority | None = None
    run_at: Time | None = None
    run_after: Span | None = Field(None, description="seconds")
    retry: Whole | dict[str, Any] | None = Field(
        None, description="the number of retries, or a policy", examples=[5, {"retries": 5, "backoff": "linear", "delay": 10}]
    )
    timeout: Span | None = Field(None, description="seconds that one run may take; 0: no limit")
    soft_timeout: Span | str | None = Field(None, description='seconds, or a share of the timeout such as "80%"')
    expires_at: Time | None = None
    expires_after: Span | None = Field(None, description="seconds after which it is cancelled if it has not begun")
    total_timeout: Span | None = Field(None, description="seconds that all its runs and the waits in between may take")
    unique: UniqueMode | UniqueIn | None = None
    limits: list[str] | None = Field(None, max_length=100, examples=[["tenant:42"]])
    fair: str | None = None
    cost: Whole | None = None
    result_ttl: Span | None = Field(None, description="seconds for which its result is kept")
    meta: Any = None


class NodeIn(CallIn):
    """A node of a workflow."""

    name: Text | None = Field(None, description="unique in the workflow; other nodes wait for it by this name")
    after: list[Text | ParentIn] = Field(default_factory=list, description="its parents, in the order of their results")
    takes: Text | None = Field(None, description="the argument that gets the result of its parent")
    takes_all: Flag = Field(False, description="`takes` gets the list of the results of all parents")


class WorkflowIn(Body):
    """A workflow: jobs that wait for each other."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "name": "report",
                    "nodes": [
                        {"name": "fetch", "task": "fetch", "args": {"url": "https://a.example"}},
                        {"name": "store", "task": "store", "after": ["fetch"], "takes": "page"},
                        {"name": "tell", "task": "tell", "after": [{"name": "store", "when": "finished"}]},
                    ],
                }
            ]
        },
    )

    name: Text | None = None
    nodes: list[NodeIn] = Field(min_length=1)
    on_success: CallIn | None = Field(None, description="a job that is added when every node that had to run has succeeded")
    on_failure: CallIn | None = Field(None, description="a job that is added when the workflow is over and a node has failed")


class NodeId(BaseModel):
    """A node that was added."""

    name: str | None
    id: str = Field(description="of its job")


class WorkflowAdded(BaseModel):
    """A workflow that was added."""

    id: str
    nodes: list[NodeId] = Field(description="in the order of the request")
    last: list[str] = Field(description="the jobs whose results are the result of the workflow")


class WorkflowOut(BaseModel):
    """A workflow with its progress."""

    id: str
    name: str | None
    status: Status
    nodes: int
    open: int = Field(description="how many nodes are not over")
    blocked: int | None = Field(description="null, as are the other states, if `count_up_to` was given and it has more nodes")
    scheduled: int | None
    ready: int | None
    running: int | None
    succeeded: int | None
    failed: int | None
    cancelled: int | None
    skipped: int | None
    created_at: datetime
    finished_at: datetime | None
    cancelled_at: datetime | None = Field(description="when its cancellation was asked for")
    repairs: int = Field(description="how many nodes were repaired; 0 in a sound workflow")
    callback_error: str | None = Field(description="why its callback was not enqueued when it finished")


class TaskNodes(BaseModel):
    """Nodes of one task in one state."""

    task: str
    state: str
    nodes: int
    mean_seconds: float | None


class WorkflowDetail(WorkflowOut):
    """A workflow with the number of its nodes by task and state."""

    tasks: list[TaskNodes] | None = Field(description="in the order in which the tasks were added; null with `tasks=false`")


class NodeOut(BaseModel):
    """A node of a workflow."""

    job_id: str
    name: str | None
    task: str
    queue: str | None
    state: str = Field(description="a state of jobs, or skipped", examples=["succeeded"])
    waits_for: int = Field(description="how many parents are not over yet")
    attempt: int | None
    elapsed: float | None = Field(description="seconds that the handler took; null until it is over")
    reason: str | None = Field(description="why it ended so")
    error_type: str | None = Field(description="of its last run that failed")
    error_message: str | None = Field(description="of its last run that failed; null for a key that may not read arguments")
    created_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None


class EdgeOut(BaseModel):
    """`child_id` waits for `parent_id`."""

    parent_id: str
    child_id: str
    when: When = Field(description="how the parent must end")


class GraphOut(BaseModel):
    """A workflow as a graph, as it was at one moment."""

    nodes: list[NodeOut] = Field(description="in the order in which they were added")
    edges: list[EdgeOut] = Field(description="those of a child in the order in which it takes the results of its parents")


class BoxOut(BaseModel):
    """Nodes that are drawn as one."""

    id: str = Field(description="of the job of its first node")
    kind: Literal["node", "task", "depth"] = Field(description="one node, nodes of one task, or nodes of several tasks")
    name: str | None = Field(description="of the node, if it is one")
    task: str = Field(description="the first one in the alphabet, if there are several")
    tasks: int = Field(description="how many there are")
    nodes: int
    blocked: int
    scheduled: int
    ready: int
    running: int
    succeeded: int
    failed: int
    cancelled: int
    skipped: int


class BoxEdgeOut(BaseModel):
    """Nodes of the box `child_id` wait for nodes of the box `parent_id`."""

    parent_id: str
    child_id: str
    when: When = Field(description="how the parent must end")
    edges: int = Field(description="how many edges between nodes it stands for")


class ShapeOut(BaseModel):
    """A workflow as a picture, however large it is."""

    boxes: list[BoxOut] = Field(description="in the order of their first nodes")
    edges: list[BoxEdgeOut]


class CancelledOut(BaseModel):
    """What a cancel has done."""

    cancelled: int = Field(description="nodes that had not begun; those that run are asked to stop")


class RetriedNodes(BaseModel):
    """What a retry has done."""

    retried: int = Field(description="dead letters that run again; what was skipped below them waits again")
