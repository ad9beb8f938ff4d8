"""Dead letters: lists, groups, counts, alerts, retry, purge."""

from ..endpoint import Endpoints

endpoints = Endpoints("dead letters")
