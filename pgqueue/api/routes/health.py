"""Whether this process and its database work: for probes and for people."""

from ..endpoint import Endpoints

endpoints = Endpoints("health")
