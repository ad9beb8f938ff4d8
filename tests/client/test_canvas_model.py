"""Canvases of any shape give what a model says: each call what it was given and by whom, the workflow its last calls."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pgqueue import Canvas, Chain, Group, PgQueue, Signature, chain, group
from pgqueue.workflow.canvas import Part
from tests.client.manual_worker import ManualWorker
from tests.looking import Look

pytestmark = pytest.mark.usefixtures("no_drift")
Shape = int | tuple[str, list[Any]]

shapes: st.SearchStrategy[Shape] = st.recursive(
    st.integers(0, 9),
    lambda inner: st.tuples(st.sampled_from(["chain", "group"]), st.lists(inner, min_size=1, max_size=3)),
    max_leaves=9,
)


def made(shape: Shape, call: Any) -> Part[Any]:
    """The canvas of a shape; the numbers are labels, and odd calls take nothing."""
    if isinstance(shape, int):
        return (call.si if shape % 2 else call.s)(label=shape)  # type: ignore[no-any-return]
    kind, parts = shape
    inner = [made(part, call) for part in parts]
    return chain(*inner) if kind == "chain" else group(inner)


def wanted(part: Part[Any], given: Any) -> Any:
    """What a part returns that is given this; a group always a flat list."""
    if isinstance(part, Signature):
        return {"label": part.args["label"], "given": None if part.immutable else given}
    if isinstance(part, Chain):
        for one in part.parts:
            given = wanted(one, given)
        return given
    assert isinstance(part, Group)
    return [value for one in part.parts for value in _as_list(one, wanted(one, given))]


def _as_list(part: Part[Any], value: Any) -> list[Any]:
    while isinstance(part, Chain):
        part = part.parts[-1]
    return value if isinstance(part, Group) else [value]


def _call(given: Any = None, label: int = 0) -> Any: ...


@given(shape=shapes.filter(lambda shape: not isinstance(shape, int)))
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_results_go_where_the_model_says(app: PgQueue, manual_worker: ManualWorker, look: Look, shape: Shape) -> None:
    call = app.tasks.get("call") or app.task(name="call")(_call)
    canvas = made(shape, call)
    assert isinstance(canvas, Canvas)
    flow = canvas.enqueue()

    def result(job: dict[str, Any]) -> Any:
        given = None
        if (job["node"] or {}).get("takes"):
            parents = [row["result"] for row in look.rows("select result from parents(%s::bigint[])", [job["id"]])]
            given = parents if job["node"].get("takes_all") else parents[0]
        return {"label": job["args"]["label"], "given": given}

    manual_worker.run(result)
    assert flow.result(timeout=0) == wanted(canvas, None)
    assert flow.refresh().status == "succeeded"
