"""The guides are executed: their code, from top to bottom, and a worker where they say that one runs."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from pgqueue import PgQueue
from pgqueue.worker import Worker, WorkerOptions

GUIDE = Path(__file__).parents[2] / "docs" / "tasks.md"
STEP = re.compile(r"^<!-- a worker( of (?P<app>\w+))? runs -->$|^```python\n(?P<code>.*?)^```$", re.M | re.S)


def _work(app: PgQueue) -> None:
    asyncio.run(Worker(app, WorkerOptions(burst=True, handle_signals=False)).run())


def test_the_guide_to_tasks_does_what_it_says(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGQUEUE_DATABASE_URL", database_url)
    space: dict[str, Any] = {"__name__": "guide"}
    steps = list(STEP.finditer(GUIDE.read_text()))
    assert len(steps) > 10
    for step in steps:
        if step["code"]:
            exec(compile(step["code"], str(GUIDE), "exec", dont_inherit=True), space)
        else:
            _work(space[step["app"] or "app"])
    for name in ("app", "mail"):
        space[name].close()
