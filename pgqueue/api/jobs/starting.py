"""Operations that an endpoint of another noun starts."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ..._json import dumps
from ...database.calls import operations as calls
from ...database.calls.operations import Order
from ..bodies.dead_letters import Started
from ..here import Here, at


async def begin(here: Here, order: Order) -> int:
    """Start an operation as the caller. This process carries on with it, in an install without workers. Returns its id."""
    with here.acting():
        id = await here.act(calls.start_operation(order))
    here.service.upkeep.start()
    return id


async def start(request: Request, order: Order, own_path: str) -> Response:
    """Start an operation as the caller, and answer 202 with where it is.

    Args:
        request: of the endpoint.
        order: what it does.
        own_path: the path of the endpoint, whose place the path of the operation takes in Location.
    """
    here = at(request)
    id = await begin(here, order)
    place = f"{request.url.path.removesuffix(own_path)}/operations/{id}"
    now = await here.run(calls.operation(id))
    return here.answer({name: getattr(now, name) for name in Started.model_fields}, 202, {"Location": place})


def spec_of(**options: Any) -> str:
    """The options of a verb as JSON text; None is left out."""
    return dumps({name: value for name, value in options.items() if value is not None})
