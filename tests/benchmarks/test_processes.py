"""Two worker processes are compared with one that is measured directly before them."""

import pytest

from benchmarks.figures import Figures
from benchmarks.measurements import processes, throughput
from benchmarks.options import Options
from benchmarks.progress import Steps
from benchmarks.run import Run
from benchmarks.server import Server
from benchmarks.systems import load


async def test_the_share_of_one_process_is_of_the_same_round(monkeypatch: pytest.MonkeyPatch) -> None:
    async def rate_of(run: Run) -> Figures:
        asked.append(run.options.processes)
        return {"jobs_per_second": {1: 30.0, 2: 40.0}[run.options.processes]}

    asked: list[int] = []
    monkeypatch.setattr(throughput, "measure", rate_of)
    run = Run(load("pgqueue"), Server("postgresql://nowhere"), Options(processes=2), Steps("", 1))
    found = await processes.measure(run)
    assert found == {"jobs_per_second": 40.0, "one_process": 30.0, "one_to_all": 0.75}
    assert asked == [1, 2]
