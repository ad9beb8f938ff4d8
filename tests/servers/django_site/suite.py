"""The site's own tests by pytest-django, which test_django.py runs in a process of their own."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from pgqueue import PgQueue
from pgqueue.migrate import migrate
from pgqueue.testing import assert_enqueued, drain, joined, refute_enqueued

from .models import Order
from .views import queue, send_receipt


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """Django makes a database for the tests; pgqueue is installed there, too."""
    with django_db_blocker.unblock():
        url = make_conninfo(os.environ["PGQUEUE_DATABASE_URL"], dbname=connection.settings_dict["NAME"])
        queue.settings.database_url = SecretStr(url)
        migrate(url)


@pytest.fixture
def shop() -> Client:
    """The browser."""
    return Client(raise_request_exception=False)


@pytest.fixture
def emptied() -> Iterator[PgQueue]:
    """pytest-django empties the tables of models after a test that commits; the jobs are ours to remove."""
    yield queue
    with connection.cursor() as cursor:
        cursor.execute("truncate pgqueue.job, pgqueue.job_history, pgqueue.job_result, pgqueue.dead_letter")
    queue.close()


@pytest.mark.django_db
def test_in_a_rolled_back_transaction_a_request_enqueues_on_its_connection(shop: Client) -> None:
    assert shop.post("/orders", {"item": "lamp"}).status_code == 200
    assert_enqueued(send_receipt, connection=connection, order_id=Order.objects.get().pk, count=1)
    assert [ran.result for ran in drain(queue, connection)] == ["receipt of lamp"]


@pytest.mark.django_db
def test_the_test_before_has_left_nothing(shop: Client) -> None:
    assert not Order.objects.exists()
    refute_enqueued(send_receipt, connection=connection)


@pytest.mark.django_db
def test_a_request_that_fails_takes_its_job_back(shop: Client) -> None:
    assert shop.post("/orders", {"item": "unicorn"}).status_code == 500
    assert not Order.objects.exists()
    refute_enqueued(send_receipt, connection=connection)


@pytest.mark.django_db
def test_on_commit_runs_where_pytest_django_is_asked_to(shop: Client, django_capture_on_commit_callbacks: Any) -> None:
    with joined(queue, connection):
        with django_capture_on_commit_callbacks(execute=True):
            assert shop.post("/orders?when=later", {"item": "lamp"}).status_code == 200
        assert [ran.result for ran in drain(queue, connection)] == ["receipt of lamp"]


def _jobs() -> int:
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from pgqueue.job")
        return int(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("when", ["now", "later"])
def test_a_request_commits_its_job(shop: Client, emptied: PgQueue, when: str) -> None:
    assert shop.post(f"/orders?when={when}", {"item": "lamp"}).status_code == 200
    assert (Order.objects.count(), _jobs()) == (1, 1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("when", ["now", "later"])
def test_a_request_that_fails_commits_nothing(shop: Client, emptied: PgQueue, when: str) -> None:
    assert shop.post(f"/orders?when={when}", {"item": "unicorn"}).status_code == 500
    assert (Order.objects.count(), _jobs()) == (0, 0)


@pytest.mark.django_db(transaction=True)
def test_a_durable_block_and_a_job_without_a_transaction_commit_at_once(emptied: PgQueue) -> None:
    send_receipt.using(connection=connection).enqueue(1)
    assert _jobs() == 1
    with transaction.atomic(durable=True):
        send_receipt.using(connection=connection).enqueue(2)
        assert send_receipt.using(connection=connection, unique="until_done").enqueue(2).duplicate is False
    assert _jobs() == 3
