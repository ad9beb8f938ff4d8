"""What is wrong with the install."""

from ..endpoint import Endpoints

endpoints = Endpoints("insight")
