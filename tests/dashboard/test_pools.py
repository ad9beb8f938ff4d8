"""The pages of pools: what they show, and what their forms do."""

import uuid

import httpx
import pytest

from pgqueue import PgQueue
from pgqueue.errors import PoolNotFound
from tests.api.keyed import key_of
from tests.looking import Look
from tests.pool_agents import AGENT, SLOT

from .forms import send, text_of


@pytest.fixture
def pools(app: PgQueue, look: Look) -> PgQueue:
    """A pool with an agent that starts its worker."""
    app.pools.make("mail", "shop.jobs:app", queues=["mail=3"], maximum=8)
    agent = str(uuid.uuid4())
    look.value(AGENT, agent)
    look.value(SLOT, agent)
    look.value("select 1 from sample_pools()")
    return app


def test_an_empty_install_says_what_to_do(http: httpx.Client) -> None:
    assert "pgqueue pools make mail shop.jobs:app" in text_of(http.get("pools"))


def test_the_list_has_what_is_wanted_and_what_waits(pools: PgQueue, http: httpx.Client) -> None:
    pools.pools.make("post", "shop.post:app", autoscale=True)
    shown = text_of(http.get("pools"))
    assert all(word in shown for word in ("mail", "scaling", "shop.jobs:app", "by hand", "no agent", "itself, 1 to 50"))


def test_a_pool_has_its_slots_agents_events_and_charts(pools: PgQueue, http: httpx.Client) -> None:
    pools.pools.scale("mail", 3, reason="they <b>ask</b> us")
    page = http.get("pools/mail")
    shown = text_of(page)
    assert all(word in shown for word in ("STARTING", "here", "1 → 3", "they <b>ask</b> us", "Its agents have places for 2 of 3"))
    assert page.text.count("data-chart ") == 2
    assert 'data-colour="running">scaled to 3</li>' in page.text


def test_a_pool_without_an_agent_says_how_to_start_one(app: PgQueue, http: httpx.Client) -> None:
    app.pools.make("post", "shop:app", wanted=3)
    assert "pgqueue agent post --slots 3" in text_of(http.get("pools/post"))


def test_a_pool_is_scaled_and_a_number_outside_is_refused_on_the_page(pools: PgQueue, http: httpx.Client) -> None:
    scaled = send(http, "pools/mail", "pools/mail/scale", wanted="5", reason="rush")
    assert "Pool mail wants 5 workers" in text_of(scaled)
    refused = send(http, "pools/mail", "pools/mail/scale", wanted="9")
    assert "9 workers are outside of what the pool may have, 1 to 8" in text_of(refused)
    assert "A value is not valid" in text_of(send(http, "pools/mail", "pools/mail/scale", wanted="many"))
    assert pools.pools.get("mail").wanted == 5


def test_a_pool_is_changed_and_scales_itself(pools: PgQueue, http: httpx.Client) -> None:
    assert "Pool mail is changed" in text_of(
        send(http, "pools/mail", "pools/mail/change", maximum="9", minimum="", queues="mail=2, post", concurrency="4")
    )
    its = pools.pools.get("mail")
    assert (its.minimum, its.maximum, its.queues, its.concurrency, its.generation) == (1, 9, ["mail=2", "post"], 4, 2)
    assert "scales itself" in text_of(send(http, "pools/mail", "pools/mail/autoscale", on="yes"))
    assert pools.pools.get("mail").autoscale
    assert "no longer scales itself" in text_of(send(http, "pools/mail", "pools/mail/autoscale", on="no"))


def test_a_pool_is_replaced_paused_resumed_and_deleted(pools: PgQueue, http: httpx.Client) -> None:
    assert "replaces its workers" in text_of(send(http, "pools/mail", "pools/mail/roll", max_unavailable="2", reason="new code"))
    assert pools.pools.get("mail").max_unavailable == 2
    assert "Pool mail is paused" in text_of(send(http, "pools/mail", "pools/mail/pause", reason="deploy"))
    assert "Pool mail runs again" in text_of(send(http, "pools/mail", "pools/mail/resume"))
    assert "it goes with its last worker" in text_of(send(http, "pools/mail", "pools/mail/delete"))
    assert pools.pools.get("mail").state == "deleting"
    send(http, "pools/mail", "pools/mail/delete", now="yes")
    assert pools.pools.events("mail", 1)[0].kind == "deleting"


def test_a_pool_that_nobody_runs_is_gone_at_once(app: PgQueue, http: httpx.Client) -> None:
    app.pools.make("post", "shop:app")
    assert "The pool post is deleted" in text_of(send(http, "pools/post", "pools/post/delete"))
    with pytest.raises(PoolNotFound):
        app.pools.get("post")
    assert http.get("pools/post").status_code == 404


def test_a_viewer_sees_no_acts(pools: PgQueue, http: httpx.Client) -> None:
    http.headers["Authorization"] = f"Bearer {key_of(pools, 'viewer')}"
    page = http.get("pools/mail")
    assert page.status_code == 200
    assert "/scale" not in page.text
    assert "Delete" not in page.text
