"""The dashboard: web pages over the REST API, see docs/dashboard.md. It needs the extra `api`."""

from .build import create_app
from .viewer import Authorize, Viewer

__all__ = ["Authorize", "Viewer", "create_app"]
