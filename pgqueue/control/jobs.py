"""Many jobs at once: those that a filter describes."""

from collections.abc import AsyncIterator, Iterator
from typing import Literal

from .._checks import invalid, is_whole, read_text
from .._json import loads
from ..database import Call
from ..database.calls import jobs as calls
from ..database.calls.jobs import JobCount as JobCount
from ..database.calls.jobs import JobPage as JobPage
from ..database.calls.jobs import ListedJob as ListedJob
from ..registry import Registry
from .bulk import Bulk

Order = Literal["id", "claim", "run_at", "finished_at"]
MOST_ROWS = 1000  # of a page
MOST_COUNTED = 1_000_000


def read_cursor(after: str | None) -> str | None:
    """The cursor of a page, if it is JSON; SQL checks what it says.

    Raises:
        InvalidArgument: it is not a text, or not JSON.
    """
    text = read_text("after", after)
    try:
        if text is not None:
            loads(text)
    except (ValueError, TypeError, RecursionError):
        raise invalid("after", after, "use the cursor of a page") from None
    return text


class Jobs(Bulk):
    """The jobs that a filter describes, as `app.jobs(state="failed", queue="mail")` returns them. Nothing is looked up before a
    method is called, and each call looks again. `for` and `async for` go through all of them, page by page, in the order in which
    they are found with the least work.

    Args:
        client: runs the calls on the install.
        filter: as JSON text, see `filter_json`.
    """

    def __init__(self, client: Registry, filter: str) -> None:
        self._client, self._filter = client, filter

    def list(self, limit: int = 20, *, order: Order | None = None, after: str | None = None) -> JobPage:
        """One page of them.

        Args:
            limit: at most so many jobs, 1 to 1,000.
            order: "id": the newest id first; "claim": ready jobs as workers claim them; "run_at": scheduled jobs, the next one
                first; "finished_at": jobs that are over, the last one first. By default the one by which the filter is answered
                with the least work: "claim" for the state ready, "run_at" for scheduled, "finished_at" where the filter has only
                jobs that are over, else "id".
            after: the `next` of the page before, in the same order.

        Returns:
            The page. It looks at 100,000 jobs at most, so that a filter which hardly matches anything does not keep it from
            ending: then it has fewer jobs than `limit`, and a `next`.

        Raises:
            InvalidArgument: a field of the filter or an argument is invalid, or the jobs of the filter do not have this order.
        """
        return self._client.database.run(self._listing(limit, order, after))

    async def alist(self, limit: int = 20, *, order: Order | None = None, after: str | None = None) -> JobPage:
        """`list` for async code."""
        return await self._client.async_database.run(self._listing(limit, order, after))

    def count(self, most: int = MOST_COUNTED) -> JobCount:
        """How many there are.

        Args:
            most: how many jobs to look at, up to 10,000,000; if that does not tell, the count is a least one.

        Raises:
            InvalidArgument: a field of the filter is invalid, or `most` is out of range.
        """
        return self._client.database.run(self._counting(most))

    async def acount(self, most: int = MOST_COUNTED) -> JobCount:
        """`count` for async code."""
        return await self._client.async_database.run(self._counting(most))

    def __iter__(self) -> Iterator[ListedJob]:
        after: str | None = None
        while True:
            page = self.list(MOST_ROWS, after=after)
            yield from page.jobs
            if (after := page.next) is None:
                return

    async def __aiter__(self) -> AsyncIterator[ListedJob]:
        after: str | None = None
        while True:
            page = await self.alist(MOST_ROWS, after=after)
            for job in page.jobs:
                yield job
            if (after := page.next) is None:
                return

    def _listing(self, limit: int, order: Order | None, after: str | None) -> Call[JobPage]:
        if not is_whole(limit) or not 1 <= limit <= MOST_ROWS:
            raise invalid("limit", limit, f"use 1 to {MOST_ROWS:,}")
        return calls.list_jobs(self._filter, read_text("order", order), read_cursor(after), limit)

    def _counting(self, most: int) -> Call[JobCount]:
        if not is_whole(most) or not 1 <= most <= 10 * MOST_COUNTED:
            raise invalid("most", most, "use 1 to 10,000,000")
        return calls.count_jobs(self._filter, most)

    def __repr__(self) -> str:
        return f"Jobs({self._filter})"
