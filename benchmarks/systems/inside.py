"""pgqueue as the benchmark `server` looks at it: with smaller claims, and in an install that uses schedules and pauses."""

from __future__ import annotations

import psycopg

from benchmarks.systems.pgqueue import PgQueueSystem

SCHEDULE = """SELECT pgqueue.set_schedule('s' || n, '{"every": 3600, "job": {"task": "noop", "args": {"sent_at": 0}}}')
                FROM generate_series(1, 1000) AS n"""
PAUSES = "SELECT pgqueue.pause('queue', 'elsewhere'), pgqueue.pause('task', 'another')"


class Inside(PgQueueSystem):
    """Claims of so many jobs."""

    benchmarks = frozenset({"server"})

    def __init__(self, name: str, batch: int | None = None) -> None:
        self.name, self.batch = name, batch


class Used(Inside):
    """An install with 1,000 schedules, of which none is due, and with pauses of another queue and of another task."""

    async def install(self, url: str) -> None:
        """Migrate, then add them."""
        await super().install(url)
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            await connection.execute(SCHEDULE)
            await connection.execute(PAUSES)


SYSTEMS: dict[str, Inside] = {
    system.name: system for system in (Inside("batches-100", 100), Inside("batches-10", 10), Used("schedules-and-pauses"))
}
