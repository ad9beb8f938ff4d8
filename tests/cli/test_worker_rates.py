"""The rate of each worker, between its heartbeats."""

from datetime import timedelta

from pgqueue.insight.worker_rates import WorkerRates

from .snapshots import NOW, worker


def test_the_rate_is_that_between_the_last_two_heartbeats() -> None:
    rates = WorkerRates()
    seen = []
    for seconds, done, failed in ((0, 100, 0), (0, 100, 0), (10, 150, 5), (10, 150, 5), (20, 150, 5), (30, 0, 0)):
        row = worker(heartbeat_at=NOW + timedelta(seconds=seconds), done=done, failed=failed)
        seen.append(rates.add([row])[0]["rate"])
    assert seen == [None, None, 5.5, 5.5, 0.0, 0.0]


def test_a_worker_that_has_gone_is_forgotten() -> None:
    rates = WorkerRates()
    rates.add([worker(done=1)])
    rates.add([])
    assert rates.add([worker(done=9, heartbeat_at=NOW + timedelta(seconds=1))])[0]["rate"] is None
