"""The REST API: see docs/api.md. It needs the extra `api`: pip install 'pgqueue-native[api]'."""

from .build import create_app, router

__all__ = ["create_app", "router"]
