"""Verbs on all jobs of a filter."""

from ..endpoint import Endpoints

endpoints = Endpoints("operations")
