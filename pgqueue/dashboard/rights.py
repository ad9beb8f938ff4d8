"""What somebody may do: what the API lets a key of the same role do. There is no second rule here."""

from ..api.callers.caller import Caller
from ..api.door import is_allowed
from ..api.endpoint import Endpoint
from ..api.routes import ALL

_ENDPOINTS: dict[str, Endpoint] = {f"{one.method} {one.path}": one for one in ALL}


def endpoint_of(name: str) -> Endpoint:
    """The endpoint of a name such as "POST /jobs/{job_id}/cancel". Raises KeyError if there is none."""
    return _ENDPOINTS[name]


def may(caller: Caller, name: str, is_read_only: bool) -> bool:
    """Whether this caller may call the endpoint of this name; in a read-only dashboard, only to read."""
    endpoint = endpoint_of(name)
    return is_allowed(endpoint, caller) and (endpoint.method == "GET" or not is_read_only)
