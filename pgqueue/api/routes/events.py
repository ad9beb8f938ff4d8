"""Server-sent events: one job, the jobs of a filter, a workflow."""

from ..endpoint import Endpoints

endpoints = Endpoints("events")
