"""API keys: make, list, revoke."""

from ..endpoint import Endpoints

endpoints = Endpoints("keys")
