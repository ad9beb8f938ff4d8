"""Results of jobs: read, wait for, keep longer, delete."""

from ..endpoint import Endpoints

endpoints = Endpoints("results")
