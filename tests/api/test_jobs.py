"""GET of jobs."""

import httpx

from pgqueue import PgQueue


def test_a_job_is_answered_with_its_id_as_a_text_and_its_numbers_as_they_were_sent(app: PgQueue, api: httpx.Client) -> None:
    """JavaScript would round both."""

    @app.task
    def noop(number: int) -> None: ...

    job = noop.enqueue(2**53 + 1)
    answer = api.get(f"/jobs/{job.id}")
    assert answer.status_code == 200
    assert f'"id":"{job.id}"' in answer.text
    assert '"args":{"number":9007199254740993}' in answer.text
