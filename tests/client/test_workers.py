"""app.workers: telling workers to end."""

import uuid

import pytest

from pgqueue import PgQueue
from pgqueue.errors import InvalidArgument, JobNotFound
from tests.looking import Look

REGISTER = "select register_worker(%s, 'w1', 'host', 1, '0', '{default}', 10, '1 h')"


async def test_workers_are_told(async_app: PgQueue, look: Look) -> None:
    id = uuid.uuid4()
    look.value(REGISTER, id)
    workers = async_app.workers
    assert [await workers.adrain(id), await workers.adrain(str(id)), await workers.arestart(id)] == [True, False, True]
    assert look.value("select told from worker") == "restart"


def test_workers_are_told_by_sync_code(app: PgQueue, look: Look) -> None:
    id = uuid.uuid4()
    look.value(REGISTER, id)
    assert (app.workers.restart(id), app.workers.drain(id), app.workers.drain(id)) == (True, True, False)


@pytest.mark.parametrize("worker", ["w1", 7, None])
def test_what_is_no_id_is_refused_before_anything_is_asked(app: PgQueue, worker: object) -> None:
    with pytest.raises(InvalidArgument, match="worker: .* use the id of a worker"):
        app.workers.drain(worker)  # type: ignore[arg-type]


def test_a_worker_that_is_not_there_is_said(app: PgQueue) -> None:
    with pytest.raises(JobNotFound, match="there is no worker"):
        app.workers.drain(uuid.uuid4())
