"""app.pools: pools made, changed and read."""

import uuid
from datetime import timedelta
from typing import Any

import pytest

from pgqueue import InvalidArgument, PgQueue, PoolNotFound, acting_as
from pgqueue.errors import WrongState
from tests.looking import Look
from tests.pool_agents import AGENT, SLOT


def test_a_pool_is_made_changed_and_read(app: PgQueue) -> None:
    pools = app.pools
    pools.make("mail", "shop.jobs:app", queues=["mail=3", "default"], maximum=8)
    its = pools.get("mail")
    assert (its.state, its.app, its.queues, its.wanted, its.maximum) == ("no_agent", "shop.jobs:app", ["mail=3", "default"], 1, 8)
    assert pools.set("mail", concurrency=5)
    assert not pools.set("mail", concurrency=5)
    assert pools.set("mail", queues=[])
    assert (pools.get("mail").queues, pools.get("mail").generation) == ([], 3)
    assert [one.name for one in pools.list()] == ["mail"]


def test_a_pool_is_scaled_to_up_and_down(app: PgQueue) -> None:
    pools = app.pools
    pools.make("mail", "shop:app", maximum=8)
    assert [pools.scale("mail", 5), pools.scale_up("mail"), pools.scale_up("mail", 2), pools.scale_down("mail", 7)] == [
        5,
        6,
        8,
        1,
    ]
    with pytest.raises(InvalidArgument, match="outside of what the pool may have, 1 to 8"):
        pools.scale("mail", 9)
    with pytest.raises(InvalidArgument, match="outside of what the pool may have, 1 to 8"):
        pools.scale_down("mail")


def test_a_pool_is_rolled_paused_resumed_and_deleted(app: PgQueue) -> None:
    pools = app.pools
    pools.make("mail", "shop:app")
    assert pools.roll("mail", max_unavailable=3, reason="new code") == 2
    assert [pools.pause("mail"), pools.pause("mail"), pools.resume("mail"), pools.resume("mail")] == [True, False, True, False]
    with acting_as("ann"):
        assert pools.delete("mail", reason="not used")
    assert [(event.kind, event.by) for event in pools.events("mail", 2)][1] == ("deleting", "ann")
    assert pools.list() == []
    entry = app.audit(kind="pool", limit=1)[0]
    assert (entry.verb, entry.by, entry.reason) == ("delete_pool", "ann", "not used")


def test_the_parts_of_a_pool_are_read(app: PgQueue, look: Look) -> None:
    pools = app.pools
    pools.make("mail", "shop:app")
    agent = uuid.uuid4()
    look.value(AGENT, str(agent))
    look.value(SLOT, agent)
    look.value("select 1 from sample_pools()")
    (one,) = pools.workers("mail")
    assert (one.slot, one.status, one.agent_id, one.worker_id) == (1, "STARTING", agent, None)
    assert [(a.id, a.taken, a.status) for a in pools.agents("mail")] == [(agent, 1, "ACTIVE")]
    assert [(s.wanted, s.running, s.ready) for s in pools.samples("mail", timedelta(hours=2))] == [(1, 0, 0)]


def test_what_is_not_there_is_named_with_what_is(app: PgQueue) -> None:
    pools = app.pools
    pools.make("mail", "shop:app")
    for call in (pools.get, pools.pause, pools.roll, pools.delete, pools.scale_up):
        with pytest.raises(PoolNotFound, match=r"^name: there is no pool 'post'; there are: mail$"):
            call("post")
    with pytest.raises(WrongState, match="there is a pool mail already"):
        pools.make("mail", "shop:app")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"queues": "mail"}, "queues: 'mail' is not valid"),
        ({"queues": [None]}, "queues: None is not valid"),
        ({"queues": ["a\0b"]}, "queues: "),
        ({"queues": 7}, "queues: 7 is not valid"),
        ({"concurrency": 1.5}, "concurrency: 1.5 is not valid"),
        ({"maximum": True}, "maximum: True is not valid"),
        ({"wanted": 2**40}, "wanted: "),
        ({"rules": "x"}, "rules: 'x' is not valid"),
        ({"rules": {"depth_up": {1}}}, "rules: "),
        ({"size": 3}, "size: a pool has no such value"),
    ],
    ids=str,
)
def test_a_value_of_another_kind_is_refused_before_it_is_sent(app: PgQueue, values: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        app.pools.make("mail", "shop:app", **values)
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize("name", [None, 7, "a\0"])
def test_a_name_that_is_none_is_refused(app: PgQueue, name: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"^name: "):
        app.pools.get(name)
    with pytest.raises(InvalidArgument, match=r"^limit: 0 is not valid; use 1 to 10,000"):
        app.pools.events("mail", 0)
    for wrong in (0, True, "3", 20_000):
        with pytest.raises(InvalidArgument, match=r"^workers: "):
            app.pools.scale_up("mail", wrong)  # type: ignore[arg-type]


async def test_async_code_has_the_same(app: PgQueue) -> None:
    pools = app.pools
    await pools.amake("mail", "shop:app", maximum=8)
    assert await pools.aset("mail", maximum=9)
    assert [await pools.ascale("mail", 5), await pools.ascale_up("mail"), await pools.ascale_down("mail", 2)] == [5, 6, 4]
    assert [await pools.aroll("mail"), await pools.apause("mail"), await pools.aresume("mail")] == [2, True, True]
    assert (await pools.aget("mail")).wanted == (await pools.alist())[0].wanted == 4
    assert [await pools.aworkers("mail"), await pools.aagents("mail"), await pools.asamples("mail")] == [[], [], []]
    assert (await pools.aevents("mail", 1))[0].kind == "resumed"
    assert await pools.adelete("mail")
    with pytest.raises(PoolNotFound, match="there are: none"):
        await pools.aget("mail")
