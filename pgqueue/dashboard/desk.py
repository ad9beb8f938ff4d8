"""What all pages of one process share."""

from dataclasses import dataclass, field

from starlette.types import ASGIApp

from ..api.service import Service
from .shared import Shared
from .viewer import Authorize


@dataclass(slots=True)
class Desk:
    """The dashboard of one process.

    Attributes:
        api: the REST API.
        service: what its requests share.
        authorize: says who sends a request; None = an API key, which a page asks for.
        is_read_only: whether nobody may change anything here.
        is_one_of_several: whether other installs stand beside it, and their index one step up.
        answers: of the API, for all who look at the same moment.
    """

    api: ASGIApp
    service: Service
    authorize: Authorize | None = None
    is_read_only: bool = False
    is_one_of_several: bool = False
    answers: Shared = field(default_factory=Shared)
