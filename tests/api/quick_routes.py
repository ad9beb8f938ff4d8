"""The routes of the API for many applications in one process, which FastAPI reads once.

It reads the hints of all endpoints for each application, which takes longer than most tests do. What differs between two
applications is the service behind their routes; all else is copied.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fastapi import APIRouter
from fastapi.routing import request_response

from pgqueue.api import build
from pgqueue.api.guard import GuardedRoute, routes_of
from pgqueue.api.routes import ALL
from pgqueue.api.service import Service


@contextmanager
def quick_routes() -> Iterator[None]:
    """Applications that are made in the block copy the routes of the first one."""
    add_all, first = build._add_all, list[GuardedRoute]()

    def add_copies(made: APIRouter, service: Service) -> None:
        if not first:
            add_all(made, service)
            first.extend(route for route in made.routes if isinstance(route, GuardedRoute))
            assert len(first) == len(ALL)
            return
        made.route_class = routes_of(service, ALL)
        for route in first:
            one = copy.copy(route)
            one.__class__ = made.route_class
            one.app = request_response(one.get_route_handler())
            made.routes.append(one)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "_add_all", add_copies)
        yield
