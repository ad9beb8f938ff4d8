"""A burst over several processes ends exactly when nothing is left that may start, and each process with the same answer."""

from ..looking import Look
from .conftest import Start


def test_it_ends_with_retries_that_are_due_limits_and_workflows_under_way(start: Start, look: Look) -> None:
    look.value("select enqueue('begin')")
    later = look.value("select enqueue('quick', run_after => '1 h')")

    burst = start("pgqueue.worker", "tests.cli.bursting:app", "--processes", "2", "--burst", "--concurrency", "4")

    assert burst.ends() == 0, burst.log()
    assert look.rows("select id from job") == [{"id": later}], "nothing that may start is left"
    done = {
        row["task"]: row["count"] for row in look.rows("select task, count(*) from jobs where state = 'succeeded' group by 1")
    }
    assert done == {"begin": 1, "one_at_a_time": 6, "fail_once": 6, "quick": 3}
    assert look.value("select count(*) from worker") == 0
    assert "another starts" not in burst.log(), "no process has failed"
