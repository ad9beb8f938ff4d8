"""Clients of the API with keys of their own."""

from typing import Any

import httpx
import pytest

from pgqueue import PgQueue
from pgqueue.control.keys import new_key
from pgqueue.database.call import Call
from pgqueue.database.calls import keys as calls
from pgqueue.database.calls.keys import FoundKey, KeySpec


def key_of(app: PgQueue, role: str = "admin", **options: Any) -> str:
    """A new key."""
    made = new_key(KeySpec(**{"name": f"the {role}", "role": role, **options}))
    app.database.run(made.store)
    return made.text


def bearer(key: str) -> dict[str, str]:
    """The header of a request with this key."""
    return {"Authorization": f"Bearer {key}"}


def client_of(url: str, key: str) -> httpx.Client:
    """A client with this key: paths are below /api/v1."""
    return httpx.Client(base_url=f"{url}/api/v1", headers=bearer(key), timeout=20)


def count_look_ups(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list that gets the id of each key that the API looks up from now on."""
    asked, find = list[str](), calls.find_key

    def counting(id: str) -> Call[FoundKey | None]:
        asked.append(id)
        return find(id)

    monkeypatch.setattr(calls, "find_key", counting)
    return asked
