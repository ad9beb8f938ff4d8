"""Queues: counts, pauses, settings, rate limits."""

from ..endpoint import Endpoints

endpoints = Endpoints("queues")
