"""What people have done."""

from ..endpoint import Endpoints

endpoints = Endpoints("insight")
