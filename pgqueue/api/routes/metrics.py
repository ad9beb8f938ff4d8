"""Figures as JSON: now, by step, by hour and day."""

from ..endpoint import Endpoints

endpoints = Endpoints("insight")
