"""Limits and their keys."""

from ..endpoint import Endpoints

endpoints = Endpoints("limits")
