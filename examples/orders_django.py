"""Django: the job is part of the transaction of `atomic`, on the connection that the models use."""

import django
from django.conf import settings
from django.db import connection, models, transaction
from django.http import HttpRequest, JsonResponse
from django.urls import path
from psycopg.conninfo import conninfo_to_dict

from pgqueue import PgQueue

queue = PgQueue()

if not settings.configured:  # in a project of yours this stands in settings.py
    database = conninfo_to_dict(queue.url)
    settings.configure(
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": database["dbname"],
                "USER": database.get("user", ""),
                "PASSWORD": database.get("password", ""),
                "HOST": database.get("host", ""),
                "PORT": database.get("port", ""),
            }
        },
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        ROOT_URLCONF=__name__,
        ALLOWED_HOSTS=["testserver", "localhost"],
    )
    django.setup()


class Order(models.Model):  # type: ignore[misc]  # Django brings no types
    """What somebody ordered."""

    item = models.TextField()

    class Meta:
        app_label = "shop"
        db_table = "orders"


@queue.task(queue="mail")
def send_receipt(order_id: int) -> str:
    """Runs in a worker (`python -m pgqueue.worker examples.orders_django:queue`), after the order has committed."""
    return f"receipt of order {order_id}: {Order.objects.get(pk=order_id).item}"


def place_order(request: HttpRequest) -> JsonResponse:
    """One transaction: the order, and the job that tells of it."""
    item = request.POST["item"]
    try:
        with transaction.atomic():
            order = Order.objects.create(item=item)
            job = send_receipt.using(connection=connection).enqueue(order.pk)
            if item == "unicorn":
                raise LookupError("we are out of unicorns")  # no order, no receipt
    except LookupError as error:
        return JsonResponse({"error": str(error)}, status=409)
    return JsonResponse({"order": order.pk, "job": job.id}, status=201)


urlpatterns = [path("orders", place_order)]
