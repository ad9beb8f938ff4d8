"""The REST API: see docs/api.md. It needs the extra `api`: pip install 'pgqueue-native[api]'."""

from .build import create_app, router
from .callers.rates import RateLimits

__all__ = ["RateLimits", "create_app", "router"]
