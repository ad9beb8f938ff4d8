"""The examples of the guide to transactional enqueue do what they say: with an order commits its job, without it nothing."""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import psycopg
import pytest

from pgqueue.worker import Worker, WorkerOptions
from tests.looking import Look

ROOT = Path(__file__).parents[2]
DJANGO = """
import json
from django.db import connection
from django.test import Client
from examples.orders_django import Order, queue

with connection.schema_editor() as editor:
    editor.create_model(Order)
client = Client()
answers = [client.post("/orders", {"item": item}) for item in ("lamp", "unicorn")]
print(json.dumps([[answer.status_code, answer.json()] for answer in answers]))
queue.close()
"""


@pytest.fixture
def look(connection: psycopg.Connection[Any]) -> Look:
    """A look at the database beside the example."""
    return Look(connection)


@pytest.fixture
def example(request: pytest.FixtureRequest, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The example's module, imported anew: it takes its database from the environment."""
    monkeypatch.setenv("PGQUEUE_DATABASE_URL", database_url)
    name = f"examples.{request.param}"
    sys.modules.pop(name, None)
    module = importlib.import_module(name)
    yield module
    module.queue.close()
    del sys.modules[name]


def _orders(look: Look) -> list[Any]:
    return [row["item"] for row in look.rows("select item from public.orders order by id")]


async def _work(module: ModuleType) -> None:
    options = WorkerOptions(burst=True, handle_signals=False)
    await Worker(module.queue, options).run()


@pytest.mark.parametrize("example", ["orders_psycopg"], indirect=True)
async def test_with_plain_psycopg_order_and_receipt_commit_together(example: ModuleType, database_url: str, look: Look) -> None:
    look.value("create table public.orders (id bigint generated always as identity primary key, item text)")
    with psycopg.connect(database_url) as theirs:
        order = example.place_order(theirs, "lamp")
        with pytest.raises(LookupError):
            example.place_order(theirs, "unicorn")
    assert (_orders(look), look.live()) == (["lamp"], 1)
    await _work(example)
    assert look.value("select value from job_result") == f"receipt of order {order} sent"


@pytest.mark.parametrize("example", ["orders_fastapi"], indirect=True)
async def test_with_fastapi_and_sqlalchemy_order_and_receipt_commit_together(example: ModuleType, look: Look) -> None:
    async with example.engine.begin() as connection:
        await connection.run_sync(example.Base.metadata.create_all)
    transport = httpx.ASGITransport(app=example.api)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client, example.lifespan(example.api):
        placed = await client.post("/orders", params={"item": "lamp"})
        refused = await client.post("/orders", params={"item": "unicorn"})
    assert (placed.status_code, refused.status_code) == (201, 409)
    assert (_orders(look), look.live()) == (["lamp"], 1)
    await _work(example)
    assert look.value("select value from job_result") == f"receipt of order {placed.json()['order']} sent"
    await example.queue.aclose()


def test_with_django_order_and_receipt_commit_together(database_url: str, look: Look) -> None:
    environment = {**os.environ, "PGQUEUE_DATABASE_URL": database_url, "PYTHONPATH": str(ROOT)}

    def python(*arguments: str) -> str:
        done = subprocess.run([sys.executable, *arguments], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    (placed, refused) = json.loads(python("-c", DJANGO))
    assert (placed[0], refused) == (201, [409, {"error": "we are out of unicorns"}])
    assert (_orders(look), look.live()) == (["lamp"], 1)
    python("-m", "pgqueue.worker", "examples.orders_django:queue", "--burst")
    assert look.value("select value from job_result") == f"receipt of order {placed[1]['order']}: lamp"


@pytest.mark.parametrize("name", ["orders_psycopg", "orders_fastapi", "orders_django"])
def test_the_guide_shows_what_is_executed(name: str) -> None:
    guide = (ROOT / "docs" / "transactional-enqueue.md").read_text()
    shown = guide.partition(f"(../examples/{name}.py)")[2].partition("```python\n")[2].partition("```")[0]
    assert shown.strip()
    assert shown in (ROOT / "examples" / f"{name}.py").read_text()
