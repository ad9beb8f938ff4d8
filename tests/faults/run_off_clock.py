"""`python -m tests.faults.run_off_clock`: run_worker on a machine whose wall clock is off, and steps while it runs.

Only the wall clock: no clock that a machine sets steps the monotonic one. PGQUEUE_TEST_CLOCK is "off" or "off,step", in seconds.
"""

import datetime
import os
import runpy
import threading
import time

STEP_EVERY = 0.05  # seconds

_off, _, _step = os.environ["PGQUEUE_TEST_CLOCK"].partition(",")
_time, _time_ns, _clock_gettime = time.time, time.time_ns, time.clock_gettime


class Clock:
    """How far it is off now, in seconds."""

    off = float(_off)


def _step_for_ever() -> None:
    while True:
        Clock.off += float(_step)
        threading.Event().wait(STEP_EVERY)
        Clock.off -= float(_step)
        threading.Event().wait(STEP_EVERY)


class OffDatetime(datetime.datetime):
    """A datetime whose `now` is off."""

    __slots__ = ()

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> "OffDatetime":
        return cls.fromtimestamp(time.time(), tz)

    @classmethod
    def utcnow(cls) -> "OffDatetime":
        return cls.fromtimestamp(time.time(), datetime.UTC).replace(tzinfo=None)


time.time = lambda: _time() + Clock.off
time.time_ns = lambda: _time_ns() + int(Clock.off * 1e9)
time.clock_gettime = lambda clock: _clock_gettime(clock) + (Clock.off if clock == time.CLOCK_REALTIME else 0.0)
datetime.datetime = OffDatetime  # type: ignore[misc]
if _step:
    threading.Thread(target=_step_for_ever, daemon=True).start()
runpy.run_module("tests.faults.run_worker", run_name="__main__")
