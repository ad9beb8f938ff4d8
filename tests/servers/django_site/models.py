"""What the shop stores."""

from django.db import models


class Order(models.Model):  # type: ignore[misc]  # Django brings no types
    """What somebody ordered."""

    item = models.TextField()
