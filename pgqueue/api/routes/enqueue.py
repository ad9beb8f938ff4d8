"""Enqueuing: one job, many jobs, and which job a call would be a duplicate of."""

from ..endpoint import Endpoints

endpoints = Endpoints("jobs")
