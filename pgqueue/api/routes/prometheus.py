"""/metrics, for Prometheus."""

from ..endpoint import Endpoints

endpoints = Endpoints("health")
