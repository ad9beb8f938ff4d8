"""The pages of limits: what they show, and what their forms do."""

from urllib.parse import quote

import httpx
import pytest

from pgqueue import PgQueue
from tests.api.keyed import key_of
from tests.looking import Look

from .forms import send, text_of

HOSTILE = "tenant:</title><script>alert(1)</script>\"'&🦄א?x=1#y%2F%"


@pytest.fixture
def limits(app: PgQueue) -> PgQueue:
    """A limit of each kind, and three jobs that wait for tenant:a."""
    app.limits.set("openai", rate="60/m", burst=10, max_running=4)
    app.limits.set("tenant", max_running=2)
    app.limits.set("queue:mail", rate="5/s")

    @app.task(limits=["tenant:{tenant}"])
    def work(tenant: str) -> None: ...

    work.enqueue_many([("a",)] * 3)
    return app


def test_the_list_has_limits_and_keys_in_use_and_a_prefix_narrows_it(limits: PgQueue, http: httpx.Client) -> None:
    shown = text_of(http.get("limits"))
    assert all(key in shown for key in ("openai", "queue:mail", "tenant", "tenant:a"))
    assert "60/m, burst 10, max 4 running" in shown

    narrowed = http.get("limits?prefix=tenant:")
    assert 'id="limit-tenant%3Aa"' in narrowed.text
    assert "openai" not in text_of(narrowed)
    assert 'href="./jobs?q=limit%3Atenant%3Aa+state%3Aready">3</a>' in narrowed.text
    assert "No limit, and no key in use, begins so" in text_of(http.get("limits?prefix=none"))


def test_an_empty_install_says_what_to_do(http: httpx.Client) -> None:
    assert "pgqueue limits set openai --rate 60/m" in text_of(http.get("limits"))


def test_a_parked_key_says_until_when_by_whom_and_why(limits: PgQueue, http: httpx.Client) -> None:
    answer = send(http, "limits/openai", "limits/openai/park", unit="h", reason="they <b>ask</b> us", **{"for": "1"})

    assert "openai is parked until" in text_of(answer)
    for page in ("limits", "limits/openai"):
        assert "they <b>ask</b> us" in text_of(http.get(page)), page
    assert "is open" in text_of(send(http, "limits/openai", "limits/openai/unpark"))
    assert limits.limits.get("openai").parked_until is None


def test_a_time_to_park_that_is_none_is_refused_on_the_page(limits: PgQueue, http: httpx.Client) -> None:
    answer = send(http, "limits/openai", "limits/openai/park", unit="h", **{"for": "long"})
    assert "A value is not valid" in text_of(answer)
    assert limits.limits.get("openai").parked_until is None


def test_deleting_names_how_many_jobs_wait(limits: PgQueue, http: httpx.Client) -> None:
    limits.limits.set("tenant:a", max_running=1)
    assert "3 jobs that wait may start at once" in text_of(http.get("limits/tenant:a"))
    assert "nor those of its 1 keys" in text_of(http.get("limits/tenant"))

    assert "The limit tenant:a is deleted" in text_of(send(http, "limits/tenant:a", "limits/tenant:a/delete"))
    assert limits.limits.get("tenant:a").limit_name == "tenant"


def test_a_new_limit_replaces_none_that_is_there_and_keeps_what_was_typed(limits: PgQueue, http: httpx.Client) -> None:
    new = "limits/+new"
    answer = send(http, new, new, name="openai", rate="1/d", enabled="yes", counts="cost", weight="1")
    assert answer.status_code == 409
    assert "openai is there already" in text_of(answer)
    assert 'value="1/d"' in answer.text
    assert limits.limits.get("openai").rate == 60

    wrong = send(http, new, new, name="mails", rate="many", enabled="yes", counts="cost", weight="1")
    assert wrong.status_code == 422
    assert 'id="rate-fault"' in wrong.text
    assert 'value="many"' in wrong.text

    made = send(http, new, new, name="mails", rate="100/m", enabled="yes", counts="starts", weight="3")
    assert "The limit mails is made" in text_of(made)
    status = limits.limits.get("mails")
    assert (status.rate, status.count_cost, status.weight, status.enabled) == (100, False, 3, True)


def test_editing_changes_only_what_was_changed(limits: PgQueue, http: httpx.Client, look: Look) -> None:
    page = "limits/+edit?key=openai"
    fields = {
        "rate": "60/m",
        "burst": "10",
        "max_running": "",
        "counts": "cost",
        "weight": "1",
        "retry_blocks": "",
        "enabled": "",
    }
    answer = send(http, page, page, **fields)

    assert "openai is changed" in text_of(answer)
    status = limits.limits.get("openai")
    assert (status.rate, status.burst, status.max_running, status.enabled) == (60, 10, None, False)
    assert "Nothing was changed" in text_of(send(http, page, page, **fields))
    assert look.value("select count(*) from audit where verb = 'set_limit' and subject = 'openai'") == 2


def test_who_edits_what_has_changed_meanwhile_is_told_and_loses_nothing(limits: PgQueue, http: httpx.Client) -> None:
    page = "limits/+edit?key=openai"
    seen = {"seen": str(http.get("api/v1/limits/openai").json()["changed_at"])}
    limits.limits.set("openai", max_running=9)
    fields = {"rate": "30/m", "burst": "10", "max_running": "4", "counts": "cost", "weight": "1", "enabled": "yes"}
    answer = send(http, page, page, **fields, **seen)

    assert answer.status_code == 409
    assert "max running 9" in text_of(answer)
    assert 'value="30/m"' in answer.text
    assert limits.limits.get("openai").rate == 60


def test_a_key_without_a_limit_of_its_own_can_get_one(limits: PgQueue, http: httpx.Client) -> None:
    shown = http.get("limits/tenant:a")
    assert "Give it a limit of its own" in shown.text
    assert "+edit" not in shown.text
    form = http.get("limits/+new?name=tenant:a").text
    assert 'name="name" value="tenant:a"' in form
    assert 'name="max_running" value="2"' in form


@pytest.mark.parametrize("key", [HOSTILE, "tenant:a/reset", "tenant:a/b/c", "tenant:..", "tenant:" + "x" * 193])
def test_any_key_has_a_page_whose_links_and_forms_work(app: PgQueue, http: httpx.Client, key: str) -> None:
    app.limits.set(key, max_running=2)
    for safe in ("/:", ""):
        path = quote(key, safe=safe)
        shown = http.get(f"limits/{path}")
        assert shown.status_code == 200, path
        assert "<script>alert" not in shown.text
        up = "../" * (path.count("/") + 1)
        assert f'href="{up}limits"' in shown.text
        assert http.get(str(shown.url.join(f"{up}limits"))).status_code == 200

    path = quote(key, safe="/:")
    assert path in http.get("limits").text
    answer = send(http, f"limits/{path}", f"limits/{path}/park", unit="h", **{"for": "2"})
    assert answer.url.path.endswith(key.split("?")[0]) or "%" in str(answer.url)
    assert "is parked until" in text_of(answer)
    assert app.limits.get(key).parked_until is not None
    send(http, f"limits/{path}", f"limits/{path}/delete")
    assert key not in [one.key for one in app.limits.list() if one.limit_name == key]


def test_starts_of_the_last_minutes_stand_beside_the_limit(limits: PgQueue, http: httpx.Client, look: Look) -> None:
    table = http.get("limits/openai").text.partition('id="starts-table"')[2].partition("</table>")[0]
    assert table.count("data-at=") == 30
    assert ">limit</th>" in table
    assert table.count('data-value="60.0"') == 30


@pytest.mark.parametrize(("role", "may"), [("viewer", False), ("operator", True)])
def test_who_may_not_act_sees_no_acts(limits: PgQueue, http: httpx.Client, role: str, may: bool) -> None:
    http.cookies.set("pgqueue_key", key_of(limits, role))
    shown = http.get("limits/openai").text
    assert [("limits/openai/" + act in shown) for act in ("park", "reset", "delete")] == [may] * 3
    assert ("limits/+edit" in shown) == ("limits/+new" in http.get("limits").text) == may
    assert http.get("limits/+new").status_code == (200 if may else 403)


def test_an_unknown_key_is_not_found(http: httpx.Client) -> None:
    assert http.get("limits/none").status_code == 404
    assert http.get("limits/+edit", follow_redirects=True).url.path.endswith("/limits")
