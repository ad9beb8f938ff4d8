"""The rate limit of a queue: the limit queue:<name>, which counts all its jobs together."""

from starlette.requests import Request
from starlette.responses import Response

from ..bodies.limits import Filled, LimitIn, LimitNow
from ..bodies.queues import QueueName
from ..endpoint import Endpoints
from ..here import Here, at
from .limits import answer_limit, fill_limit, remove_limit, replace_limit

endpoints = Endpoints("queues")


@endpoints.get("/queues/{name}/rate-limit", is_bound=True, refuses=(404,), model=LimitNow)
async def rate_limit(request: Request, name: QueueName) -> Response:
    """The rate limit of a queue, and how much of it is used."""
    here = at(request)
    return await answer_limit(here, _key(here, name))


@endpoints.put("/queues/{name}/rate-limit", calls=("set_limit",), is_bound=True, refuses=(404,), model=LimitNow)
async def put_rate_limit(request: Request, name: QueueName, body: LimitIn) -> Response:
    """Limit how often, and how many at once, jobs of a queue start. What is left out has its default."""
    here = at(request)
    return await replace_limit(here, _key(here, name), body)


@endpoints.delete("/queues/{name}/rate-limit", calls=("delete_limit",), is_bound=True, refuses=(404,), status=204)
async def delete_rate_limit(request: Request, name: QueueName) -> Response:
    """Remove the rate limit of a queue."""
    here = at(request)
    return await remove_limit(here, _key(here, name))


@endpoints.post("/queues/{name}/rate-limit/reset", calls=("reset_limit",), is_bound=True, refuses=(404,), model=Filled)
async def reset_rate_limit(request: Request, name: QueueName) -> Response:
    """Fill the bucket of a queue."""
    here = at(request)
    return await fill_limit(here, _key(here, name))


def _key(here: Here, name: str) -> str:
    here.caller.check_queue(name)
    return f"queue:{name}"
