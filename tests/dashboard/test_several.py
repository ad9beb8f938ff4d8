"""pgqueue serve --schemas: several installs behind one server, each with its own keys."""

from collections.abc import Iterator

import httpx
import pytest

from pgqueue import PgQueue
from pgqueue.cli.installs import chosen
from pgqueue.control.installs import in_schema
from pgqueue.dashboard.several import create_app_of_several
from pgqueue.errors import ConfigurationError
from pgqueue.migrate import migrate
from tests.api.keyed import bearer, key_of
from tests.api.serving import served
from tests.dashboard.acting import token_from
from tests.waiting import until

JOBS = "api/v1/jobs"


@pytest.fixture
def apps(app: PgQueue, database_url: str) -> Iterator[list[PgQueue]]:
    @app.task(queue="mail")
    def welcome(n: int) -> None: ...

    migrate(database_url, "tenant_a")
    made = [in_schema(app, schema) for schema in chosen("tenant_*,pgqueue", None, app)]
    yield made
    for one in made:
        one.close()


@pytest.fixture
def client(apps: list[PgQueue]) -> Iterator[httpx.Client]:
    with served(create_app_of_several(apps)[0]) as url, httpx.Client(base_url=f"{url}/", timeout=20, verify=False) as made:
        yield made


def test_the_index_leads_to_each_install_and_each_has_its_own_jobs(client: httpx.Client) -> None:
    index = client.get("")
    assert index.status_code == 200
    assert 'href="./tenant_a/"' in index.text
    assert 'href="./pgqueue/"' in index.text
    assert "does not answer" not in index.text
    assert index.headers["content-security-policy"].startswith("default-src 'none'")

    made = client.post(f"tenant_a/{JOBS}", json={"task": "welcome", "args": {"n": 1}})
    assert made.status_code == 201
    assert made.headers["location"] == f"/tenant_a/{JOBS}/{made.json()['id']}"
    jobs = {schema: client.get(f"{schema}/{JOBS}").json()["items"] for schema in ("tenant_a", "pgqueue")}
    assert [len(found) for found in jobs.values()] == [1, 0]
    assert jobs["tenant_a"][0]["queue"] == "mail"  # the options of its task apply


def test_pages_lead_to_pages_of_their_install_and_to_the_index(client: httpx.Client) -> None:
    page = client.get("tenant_a/jobs")
    assert page.status_code == 200
    assert 'href="./../"' in page.text
    assert "Install tenant_a" in page.text
    assert 'href="./dead-letters"' in page.text
    assert client.get("tenant_a/").status_code == client.get("tenant_a/workers").status_code == 200
    moved = client.get("tenant_a")
    assert (moved.status_code, moved.headers["location"]) == (307, "tenant_a/")


def test_an_act_of_a_page_changes_its_own_install(client: httpx.Client) -> None:
    assert client.get("tenant_a/queues").status_code == 200
    sent = client.post(
        "tenant_a/queues/mail/pause",
        data={"csrf": token_from(client.cookies.get), "reason": "deploy", "back": "queues"},
        headers={"Sec-Fetch-Site": "same-origin"},
    )
    assert sent.status_code == 303, sent.text
    paused = {schema: client.get(f"{schema}/api/v1/pauses").json()["items"] for schema in ("tenant_a", "pgqueue")}
    assert [len(found) for found in paused.values()] == [1, 0]


def test_keys_are_per_install(client: httpx.Client, apps: list[PgQueue]) -> None:
    key = key_of(apps[0])
    until(lambda: client.get(f"tenant_a/{JOBS}").status_code == 401, "the key is known")
    assert client.get(f"tenant_a/{JOBS}", headers=bearer(key)).status_code == 200
    assert client.get(f"pgqueue/{JOBS}", headers=bearer(key)).status_code == 401
    signed = client.post("tenant_a/sign-in", data={"key": key}, headers={"Sec-Fetch-Site": "same-origin"})
    assert signed.status_code == 303
    assert [cookie.path for cookie in client.cookies.jar if cookie.name == "pgqueue_key"] == ["/tenant_a"]
    assert client.get("tenant_a/jobs").status_code == 200
    assert client.get("").status_code == 200  # the index tells names alone


def test_probes_and_figures(client: httpx.Client) -> None:
    assert client.get("health/live").status_code == 200
    assert client.get("health/ready").json() == {"status": "pass", "installs": 2, "answering": 2}
    assert client.get("tenant_a/health/ready").status_code == 200
    assert "pgqueue_" in client.get("tenant_a/metrics").text


def test_an_install_that_is_not_there_does_not_take_the_others_with_it(app: PgQueue) -> None:
    apps = [in_schema(app, schema) for schema in ("pgqueue", "tenant_late")]
    with served(create_app_of_several(apps)[0]) as url, httpx.Client(base_url=f"{url}/", timeout=20, verify=False) as client:
        assert "tenant_late</a> " in client.get("").text
        assert "does not answer" in client.get("").text
        ready = client.get("health/ready")
        assert (ready.status_code, ready.json()) == (200, {"status": "pass", "installs": 2, "answering": 1})
        assert client.get(f"pgqueue/{JOBS}").status_code == 200
        assert client.get(f"tenant_late/{JOBS}").status_code == 503


@pytest.mark.parametrize("schema", ["health", "static", "a/b", "with space", "{name}"])
def test_a_name_that_cannot_be_a_path_is_refused(app: PgQueue, schema: str) -> None:
    with pytest.raises(ConfigurationError, match=r"schemas: .* cannot be a path of the server"):
        create_app_of_several([in_schema(app, schema)])
