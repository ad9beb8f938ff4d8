"""Every way to enqueue on a connection of the application."""

import uuid
from collections.abc import Generator
from typing import Any

from pgqueue import Task, Unique, chain, group
from tests.apps import app_of

ADDED = 15  # jobs that each of the functions adds
Forms = Generator[tuple[Any, str, tuple[Any, ...]], Any, None]


def enqueue(welcome: Task[[int], str], connection: Any) -> None:
    """Enqueue in every form."""
    forms, result = _forms(welcome.using(connection=connection)), None
    try:
        while True:
            what, form, given = forms.send(result)
            result = getattr(what, form)(*given)
    except StopIteration:
        return


async def aenqueue(welcome: Task[[int], str], connection: Any) -> None:
    """`enqueue` in async code."""
    forms, result = _forms(welcome.using(connection=connection)), None
    try:
        while True:
            what, form, given = forms.send(result)
            result = await getattr(what, f"a{form}")(*given)
    except StopIteration:
        return


def _forms(theirs: Task[[int], str]) -> Forms:
    app, key = app_of(theirs), uuid.uuid4().hex
    first = yield theirs, "enqueue", (1,)
    yield theirs.using(unique=Unique("replace", key=key), queue="mail"), "enqueue", (2,)
    yield theirs.using(unique=Unique("replace", key=key)), "enqueue", (2,)  # the same job, from another queue
    yield theirs.using(depends_on=first), "enqueue", (3,)
    yield theirs.using(fair="tenant"), "enqueue", (4,)
    yield theirs, "enqueue_many", ([(5,), (6,)],)
    yield theirs.using(unique=Unique("period", key=key, period=60)), "enqueue_many", ([(7,)],)
    yield theirs, "enqueue_select", ("select 8 as user_id",)
    yield app, "enqueue_many", ([theirs.s(9), theirs.using(queue="mail").s(10)],)
    yield chain(theirs.si(11), group(theirs.si(12), theirs.si(13))), "enqueue", ()
    flow = app.workflow("by hand")
    flow.add(theirs.si(14), name="a")
    flow.add(theirs.si(15), after="a")
    yield flow, "enqueue", ()
