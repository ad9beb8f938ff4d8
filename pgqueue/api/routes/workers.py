"""Workers: who they are, what they run, what was rescued."""

from ..endpoint import Endpoints

endpoints = Endpoints("workers")
