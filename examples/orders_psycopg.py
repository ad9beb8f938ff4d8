"""Plain psycopg: an order and the job that mails its receipt commit together, or not at all."""

import psycopg

from pgqueue import PgQueue

queue = PgQueue()


@queue.task(queue="mail")
def send_receipt(order_id: int) -> str:
    """Runs in a worker, after the order has committed."""
    return f"receipt of order {order_id} sent"


def place_order(connection: psycopg.Connection, item: str) -> int:
    """One transaction: the order, and the job that tells of it."""
    with connection.transaction():
        ((order_id,),) = connection.execute("insert into orders (item) values (%s) returning id", [item])
        send_receipt.using(connection=connection).enqueue(order_id)
        if item == "unicorn":
            raise LookupError("we are out of unicorns")  # no order, no receipt
    return int(order_id)
