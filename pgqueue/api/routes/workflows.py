"""Workflows: submit, look at, cancel, retry."""

from ..endpoint import Endpoints

endpoints = Endpoints("workflows")
