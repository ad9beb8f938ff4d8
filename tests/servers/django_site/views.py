"""Orders, whose receipts are jobs of the request's transaction."""

from django.db import connection, transaction
from django.http import HttpRequest, JsonResponse
from django.urls import path

from pgqueue import PgQueue

from .models import Order

queue = PgQueue()


@queue.task
def send_receipt(order_id: int) -> str:
    """Runs after the order has committed."""
    return f"receipt of {Order.objects.get(pk=order_id).item}"


def place_order(request: HttpRequest) -> JsonResponse:
    """An order; its job goes in its transaction, or (`?when=later`) is enqueued once that has committed."""
    order = Order.objects.create(item=request.POST["item"])
    if request.GET.get("when") == "later":
        transaction.on_commit(lambda: send_receipt.enqueue(order.pk))
    else:
        with transaction.atomic():  # a savepoint
            send_receipt.using(connection=connection).enqueue(order.pk)
    if order.item == "unicorn":
        raise LookupError("we are out of unicorns")
    return JsonResponse({"order": order.pk})


urlpatterns = [path("orders", place_order)]
