"""The kinds of problems, each as a page: what the `type` of a refusal names."""

from ..endpoint import Endpoints

endpoints = Endpoints("problems")
