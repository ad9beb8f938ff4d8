"""The pools of an install: made, scaled, rolled and read at run time. Agents run them: `pgqueue agent POOL --slots K`."""

from collections.abc import Mapping
from typing import Any, Unpack

from .._checks import invalid, is_whole, read_text
from ..database import Call
from ..database.calls import pool_verbs as verbs
from .pool_reader import PoolReader
from .pool_values import PoolSettings, check_step, pool_values, read_name, read_whole, rules_json

Rules = Mapping[str, Any]


class Pools(PoolReader):
    """The type of `app.pools`. Each method has a twin for async code, whose name begins with `a`."""

    def make(
        self, name: str, app: str, *, autoscale: bool | None = None, rules: Rules | None = None, **settings: Unpack[PoolSettings]
    ) -> None:
        """Make a pool: a number of workers that shall run, whichever machines have agents for it.

        Args:
            name: letters, digits and . _ : - ; at most 100 characters.
            app: "module:attribute" of the PgQueue object that its workers import.
            autoscale, rules: see `autoscale`.
            settings: see `PoolSettings`.

        Raises:
            InvalidArgument: a value is invalid.
            WrongState: there is a pool of this name.
        """
        self._run(_making(name, app, autoscale, rules, settings))

    async def amake(
        self, name: str, app: str, *, autoscale: bool | None = None, rules: Rules | None = None, **settings: Unpack[PoolSettings]
    ) -> None:
        """`make` for async code."""
        await self._arun(_making(name, app, autoscale, rules, settings))

    def set(self, name: str, *, app: str | None = None, **settings: Unpack[PoolSettings]) -> bool:
        """Change a pool; what is not given stays. Another app, other queues or another concurrency roll it.

        Returns:
            Whether anything has changed.

        Raises:
            InvalidArgument: a value is invalid.
            PoolNotFound: there is no such pool.
            WrongState: it is being deleted.
        """
        return self._run(verbs.set_pool(read_name(name), pool_values(app, settings)))

    async def aset(self, name: str, *, app: str | None = None, **settings: Unpack[PoolSettings]) -> bool:
        """`set` for async code."""
        return await self._arun(verbs.set_pool(read_name(name), pool_values(app, settings)))

    def scale(self, name: str, wanted: int, *, reason: str | None = None) -> int:
        """Say how many workers shall run. Of those that are too many, idle ones end first, others when their jobs are done.

        Args:
            name: of the pool.
            wanted: within its minimum and maximum.
            reason: why, for its events and the audit log.

        Returns:
            How many are wanted now.

        Raises:
            InvalidArgument: the number is outside of the pool's bounds.
            PoolNotFound: there is no such pool.
            WrongState: it is being deleted.
        """
        return self._run(_scaling(name, wanted, reason))

    async def ascale(self, name: str, wanted: int, *, reason: str | None = None) -> int:
        """`scale` for async code."""
        return await self._arun(_scaling(name, wanted, reason))

    def scale_up(self, name: str, workers: int = 1, *, reason: str | None = None) -> int:
        """`scale` by so many workers more."""
        return self._run(verbs.scale_pool(read_name(name), None, check_step(workers), read_text("reason", reason)))

    async def ascale_up(self, name: str, workers: int = 1, *, reason: str | None = None) -> int:
        """`scale_up` for async code."""
        return await self._arun(verbs.scale_pool(read_name(name), None, check_step(workers), read_text("reason", reason)))

    def scale_down(self, name: str, workers: int = 1, *, reason: str | None = None) -> int:
        """`scale` by so many workers fewer."""
        return self._run(verbs.scale_pool(read_name(name), None, -check_step(workers), read_text("reason", reason)))

    async def ascale_down(self, name: str, workers: int = 1, *, reason: str | None = None) -> int:
        """`scale_down` for async code."""
        return await self._arun(verbs.scale_pool(read_name(name), None, -check_step(workers), read_text("reason", reason)))

    def autoscale(self, name: str, is_on: bool | None = True, *, rules: Rules | None = None) -> None:
        """Let a pool scale itself within its minimum and maximum, or no longer.

        Args:
            name: of the pool.
            is_on: None leaves it as it is.
            rules: those that change, such as {"depth_up": 200}; the value "default" is the default again.

        Raises:
            InvalidArgument: a rule is unknown or invalid.
            PoolNotFound: there is no such pool.
            WrongState: it is being deleted.
        """
        self._run(verbs.set_autoscale(read_name(name), is_on, rules_json(rules)))

    async def aautoscale(self, name: str, is_on: bool | None = True, *, rules: Rules | None = None) -> None:
        """`autoscale` for async code."""
        await self._arun(verbs.set_autoscale(read_name(name), is_on, rules_json(rules)))

    def roll(self, name: str, *, max_unavailable: int | None = None, reason: str | None = None) -> int:
        """Replace all workers, so that they run with new code; each ends when its jobs are done.

        Args:
            name: of the pool.
            max_unavailable: workers that are replaced at a time, from now on; None = as before.
            reason: why.

        Returns:
            The generation that is to run now.

        Raises:
            InvalidArgument: a value is invalid.
            PoolNotFound: there is no such pool.
            WrongState: it is being deleted.
        """
        return self._run(
            verbs.roll_pool(read_name(name), read_whole("max_unavailable", max_unavailable), read_text("reason", reason))
        )

    async def aroll(self, name: str, *, max_unavailable: int | None = None, reason: str | None = None) -> int:
        """`roll` for async code."""
        return await self._arun(
            verbs.roll_pool(read_name(name), read_whole("max_unavailable", max_unavailable), read_text("reason", reason))
        )

    def pause(self, name: str, *, reason: str | None = None) -> bool:
        """End all workers of a pool, each when its jobs are done, until it is resumed. How many are wanted is kept.

        Returns:
            Whether it changed anything: False if it was paused.

        Raises:
            PoolNotFound: there is no such pool.
            WrongState: it is being deleted.
        """
        return self._run(verbs.pause_pool(read_name(name), read_text("reason", reason)))

    async def apause(self, name: str, *, reason: str | None = None) -> bool:
        """`pause` for async code."""
        return await self._arun(verbs.pause_pool(read_name(name), read_text("reason", reason)))

    def resume(self, name: str) -> bool:
        """Let the workers of a pool run again.

        Returns:
            Whether it changed anything: False if it was not paused.

        Raises:
            PoolNotFound: there is no such pool.
            WrongState: it is being deleted.
        """
        return self._run(verbs.resume_pool(read_name(name)))

    async def aresume(self, name: str) -> bool:
        """`resume` for async code."""
        return await self._arun(verbs.resume_pool(read_name(name)))

    def delete(self, name: str, *, now: bool = False, reason: str | None = None) -> bool:
        """End all workers of a pool and remove it with the last of them.

        Args:
            name: of the pool.
            now: False: each ends when its jobs are done; True: jobs have the grace of the agent, and are then given back.
            reason: why.

        Returns:
            Whether it is gone; False: its agents end its workers.

        Raises:
            PoolNotFound: there is no such pool.
        """
        return self._run(verbs.delete_pool(read_name(name), now, read_text("reason", reason)))

    async def adelete(self, name: str, *, now: bool = False, reason: str | None = None) -> bool:
        """`delete` for async code."""
        return await self._arun(verbs.delete_pool(read_name(name), now, read_text("reason", reason)))


def _making(name: str, app: str, autoscale: bool | None, rules: Rules | None, settings: Mapping[str, Any]) -> Call[None]:
    return verbs.make_pool(read_name(name), pool_values(app, settings), autoscale, rules_json(rules))


def _scaling(name: str, wanted: int, reason: str | None) -> Call[int]:
    if not is_whole(wanted):
        raise invalid("wanted", wanted, "use a number of workers")
    return verbs.scale_pool(read_name(name), wanted, None, read_text("reason", reason))
