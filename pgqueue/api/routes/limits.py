"""Limits and their keys."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import Path, Query
from starlette.requests import Request
from starlette.responses import Response

from ..._text import storable
from ...database.calls import limits as calls
from ...errors import InvalidArgument
from ..bodies.limits import Filled, LimitIn, LimitNow, LimitPage, LimitStartsOut, ParkIn, Unparked, limit_shown
from ..bodies.pages import USUAL, Cursor, Limit, Paging
from ..callers.caller import OPERATORS, WORKERS
from ..endpoint import Endpoints
from ..here import Here, at
from ..problems import Problem, invalid

endpoints = Endpoints("limits")

LimitKey = Annotated[str, Path(description="the key of a limit, such as openai or tenant:42", examples=["openai"])]
Prefix = Annotated[str | None, Query(max_length=200, description="only keys that begin so", examples=["tenant:"])]
CountTo = Annotated[
    int | None,
    Query(ge=1, le=10_000, description="count no more waiting jobs of a key: so the answer is as fast whatever waits"),
]
_ABSENT = "there is no such limit"  # as SQL says it, see assert_limit


@endpoints.get("/limits", calls=("list_limits",), model=LimitPage)
async def limits(
    request: Request, prefix: Prefix = None, count_to: CountTo = None, limit: Limit = USUAL, cursor: Cursor = None
) -> Response:
    """Every limit and every key in use, in the order of their keys."""
    here = at(request)
    paging = Paging(("limits", prefix), limit, cursor)
    wanted = None if prefix is None else storable("prefix", prefix)
    (after,) = paging.after
    is_partial = False
    if wanted is None and count_to is None:
        found = await here.run(calls.limit_page(after, paging.fetch))
    else:
        found, is_partial = await here.run(calls.list_limits(wanted, after, paging.fetch, count_to))
    return here.answer(paging.page(found, lambda row: (row.key,), limit_shown) | {"is_partial": is_partial})


@endpoints.get("/limit-starts", calls=("limit_starts",), model=LimitStartsOut)
async def limit_starts(
    request: Request,
    key: Annotated[str, Query(max_length=200, description="of a limit; a name counts all of its keys", examples=["openai"])],
    minutes: Annotated[int, Query(ge=1, le=60, description="how far back")] = 30,
) -> Response:
    """How many jobs of a key started in each of the last minutes, for a chart beside its limit.

    It sees jobs that run, and the last attempt of the 10,000 that ended last.
    """
    here = at(request)
    found = await here.run(calls.limit_starts(storable("key", key), minutes))
    return here.answer({"minutes": [one._asdict() for one in found], "looked_to": found[0].looked_to})


@endpoints.get("/limits/{key:path}", calls=("list_limits",), refuses=(404,), model=LimitNow)
async def one_limit(request: Request, key: LimitKey, count_to: CountTo = None) -> Response:
    """The current values of a key; a key that is not in use has the values of its limit."""
    return await answer_limit(at(request), key, count_to)


@endpoints.put("/limits/{key:path}", calls=("set_limit",), refuses=(404,), model=LimitNow)
async def put_limit(request: Request, key: LimitKey, body: LimitIn) -> Response:
    """Make a limit, or replace one: what is left out has its default. It applies at once, also to waiting jobs."""
    return await replace_limit(at(request), key, body)


@endpoints.patch("/limits/{key:path}", calls=("set_limit",), refuses=(404,), model=LimitNow)
async def patch_limit(request: Request, key: LimitKey, body: LimitIn) -> Response:
    """Change some values of a limit. A new rate without a burst gets the default burst."""
    here = at(request)
    with here.acting():
        await here.act(calls.set_limit(storable("key", key), body.changes(), must_exist=True))
    return await answer_limit(here, key)


@endpoints.delete("/limits/{key:path}", calls=("delete_limit",), refuses=(404,), status=204)
async def delete_limit(request: Request, key: LimitKey) -> Response:
    """Remove a limit. Waiting jobs that have it are no longer limited by it; new jobs with it are refused.

    A limit that code declares comes back when the next worker starts.
    """
    return await remove_limit(at(request), key)


@endpoints.post("/limits/{key:path}/reset", calls=("reset_limit",), refuses=(404,), model=Filled)
async def reset_limit(request: Request, key: LimitKey) -> Response:
    """Fill the bucket of a key, or the buckets of all keys of a name. What runs goes on; what is parked stays so."""
    return await fill_limit(at(request), key)


@endpoints.post("/limits/{key:path}/park", may=OPERATORS | WORKERS, calls=("park",), refuses=(404,), model=LimitNow)
async def park(request: Request, key: LimitKey, body: ParkIn) -> Response:
    """Park a key: its waiting jobs do not start until then. A shorter time does not replace a longer one."""
    here = at(request)
    until, after = body.read()
    if until is None and after is None:
        raise invalid("until", None, "give until, or for_seconds")
    with here.acting(), absent_is_404():
        await here.act(calls.park(storable("key", key), until, after, body.reason))
    return await answer_limit(here, key)


@endpoints.post("/limits/{key:path}/unpark", calls=("unpark",), refuses=(404,), model=Unparked)
async def unpark(request: Request, key: LimitKey) -> Response:
    """Open a key that was parked."""
    here = at(request)
    with here.acting(), absent_is_404():
        return here.answer({"changed": await here.act(calls.unpark(storable("key", key)))})


async def answer_limit(here: Here, key: str, count_to: int | None = None) -> Response:
    """The status of a key as an answer.

    Args:
        here: the request.
        key: of a limit.
        count_to: how many waiting jobs are counted; None = all.

    Raises:
        Problem: there is no such limit.
    """
    own = storable("key", key)
    is_partial = False
    if count_to is None:
        found = await here.run(calls.limit_status_of(own))
    else:
        found, is_partial = await here.run(calls.limit_figures(own, count_to))
    if not found:
        raise Problem("not-found", f"key: there is no limit {key[:200]!r}; GET /limits lists them")
    return here.answer(limit_shown(found[0]) | {"is_partial": is_partial})


async def replace_limit(here: Here, name: str, body: LimitIn) -> Response:
    """Make or replace a limit."""
    with here.acting():
        await here.act(calls.set_limit(storable("name", name), body.whole()))
    return await answer_limit(here, name)


async def remove_limit(here: Here, name: str) -> Response:
    """Remove a limit."""
    with here.acting(), absent_is_404():
        await here.act(calls.delete_limit(storable("name", name)))
    return Response(status_code=204)


async def fill_limit(here: Here, key: str) -> Response:
    """Fill the buckets of a limit."""
    with here.acting(), absent_is_404():
        return here.answer({"buckets": await here.act(calls.reset_limit(storable("key", key)))})


@contextmanager
def absent_is_404() -> Iterator[None]:
    """Say that there is no such limit as HTTP does: SQL calls its name invalid."""
    try:
        yield
    except InvalidArgument as error:
        if _ABSENT in str(error):
            raise Problem("not-found", str(error)) from None
        raise
