"""Schedules and their ticks."""

from ..endpoint import Endpoints

endpoints = Endpoints("schedules")
