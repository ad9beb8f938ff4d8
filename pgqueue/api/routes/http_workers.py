"""What workers without a driver call: register, claim, heartbeat, finish."""

from ..endpoint import Endpoints

endpoints = Endpoints("HTTP workers")
