"""What a producer hands in is used later, where it can do harm to the jobs of others."""

import json

from pgqueue import PgQueue
from tests.roles.conftest import Install
from tests.worker.conftest import burst


async def test_a_callback_that_cannot_be_enqueued_keeps_nobodys_job_from_ending(install: Install) -> None:
    app = PgQueue(install.url_of("worker"), schema=install.schema, lease=2.0)
    ran: list[str] = []

    @app.task
    async def theirs() -> str:
        ran.append("theirs")
        return "done"

    @app.task
    async def mine() -> None:
        ran.append("mine")

    install.rows("select set_limit('mail', max_running => 5)")
    with install.as_login("worker") as victim:
        row = victim.execute("select enqueue('theirs')").fetchone()
    assert row is not None
    with install.as_login("producer") as attacker:
        attacker.execute("set datestyle = 'SQL, DMY'")
        for callback in ({"task": "x", "run_at": "31/12/2030"}, {"task": "x", "limits": ["mail"]}):
            nodes = json.dumps([{"task": "mine"}])
            made = attacker.execute("select job_ids from enqueue_workflow(%s, on_success => %s)", [nodes, json.dumps(callback)])
            ids = made.fetchone()
            assert ids is not None
            if "limits" in callback:
                attacker.execute("select enqueue('mine', depends_on => %s)", [[ids[0][0], row[0]]])
    install.rows("select delete_limit('mail')")

    await burst(app)

    assert sorted(ran) == ["mine", "mine", "mine", "theirs"]
    assert install.rows("select count(*) from job where task in ('theirs', 'mine')") == [(0,)]
    assert install.rows("select run_at::text, state::text from job where task = 'x'") == [("2030-12-31 00:00:00+00", "scheduled")]
    assert install.rows("select status, left(callback_error, 24) from workflow_progress order by id desc limit 2") == [
        ("succeeded", "limits: 'mail' is not va"),
        ("succeeded", None),
    ]
    app.close()
