"""Draining with several worker processes, and with one directly before: the speed of a machine changes within minutes."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.figures import Figures
from benchmarks.measurements import throughput
from benchmarks.run import Run


async def measure(run: Run) -> Figures:
    """As `throughput`; and what part of the rate one process reaches alone: how much of the machine it uses."""
    alone = await throughput.measure(replace(run, options=replace(run.options, processes=1)))
    found = await throughput.measure(run)
    return {**found, "one_process": alone["jobs_per_second"], "one_to_all": alone["jobs_per_second"] / found["jobs_per_second"]}
