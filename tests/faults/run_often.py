"""`python -m tests.faults.run_often`: run_worker, where a schedule has a tick every PGQUEUE_TEST_EVERY seconds, whatever it says.

A schedule has a tick each second at most. With more of them a fault that needs many ticks needs less time.
"""

import os
import runpy

from pgqueue.schedules.ticks import Ticks
from pgqueue.worker import scheduler

EVERY = float(os.environ["PGQUEUE_TEST_EVERY"])

scheduler._ticks = lambda name, definition: Ticks(every=EVERY)  # type: ignore[assignment]
runpy.run_module("tests.faults.run_worker", run_name="__main__")
