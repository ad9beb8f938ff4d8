"""The install and its API keys."""

import re

import httpx
import pytest
from playwright.sync_api import Page, expect

from pgqueue import PgQueue
from pgqueue.api.service import Service
from tests.api.keyed import key_of
from tests.dashboard.forms import said, send
from tests.looking import Look
from tests.waiting import until

MADE = re.compile(r"pgq_[a-z0-9]{12}_[A-Za-z0-9_-]{20,}")


@pytest.fixture
def admin(app: PgQueue, http: httpx.Client) -> httpx.Client:
    """A browser of somebody who has signed in with a key of the role admin."""
    answer = http.post("sign-in", data={"key": key_of(app)})
    assert answer.status_code == 303
    return http


def test_the_settings_of_the_install_are_told(look: Look, http: httpx.Client) -> None:
    look.rows("update setting set dead_days = 33")
    html = http.get("settings").text
    assert "<dd>33 days</dd>" in html
    assert "There are no API keys" in html


def test_a_new_key_is_on_one_page_and_in_no_cookie_and_no_url(admin: httpx.Client) -> None:
    fields = {"name": "<i>shop</i>", "role": "operator", "queues": "mail, bulk", "days": "7", "hides_arguments": "on"}
    made = send(admin, "settings/keys/new", "settings/keys/new", **fields)
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    (key,) = set(MADE.findall(made.text))
    assert "location" not in made.headers
    assert key not in str(made.headers)
    assert "data-still" in made.text  # nothing replaces the page while somebody copies
    html = admin.get("settings").text
    assert key.rpartition("_")[2] not in html + admin.get("audit").text
    assert "&lt;i&gt;shop" in html
    assert ("no arguments" in html, "mail, bulk" in html or "bulk, mail" in html, "in 7 d" in html) == (True, True, True)
    assert admin.get("settings/keys/new").status_code == 200  # a reload does not show it again
    assert key not in admin.get("settings/keys/new").text
    head = {"Authorization": f"Bearer {key}"}
    assert httpx.get(f"{admin.base_url}api/v1/jobs?queue=mail", headers=head).status_code == 200


def test_nothing_replaces_the_page_with_the_key_while_somebody_copies_it(page: Page, service: Service) -> None:
    page.goto("settings")
    until(lambda: service.streams.open == 1, "the page is told of changes")
    page.goto("settings/keys/new")
    page.get_by_label("viewer").check()
    page.get_by_role("button", name="Make the key").click()
    expect(page.locator("time").first).to_have_text("in 90 d")  # the scripts of the page have run
    until(lambda: service.streams.open == 0, "this one is not")
    page.get_by_label("Copy").click()
    expect(page.locator("#announcements")).to_have_text("Copied.")  # the scripts of the page have run


def test_what_is_refused_stands_beside_what_was_typed(admin: httpx.Client) -> None:
    answer = send(admin, "settings/keys/new", "settings/keys/new", name="sh&op", role="producer", queues="no/such")
    assert answer.status_code == 422
    assert "queues" in answer.text
    assert ('value="sh&amp;op"' in answer.text, 'value="producer" checked' in answer.text) == (True, True)


def test_a_key_is_revoked_at_once(app: PgQueue, admin: httpx.Client) -> None:
    other = key_of(app, "viewer")
    id = other.split("_")[1]
    answer = send(admin, "settings", f"settings/keys/{id}/revoke")
    assert said(answer) == f"Key {id} is revoked."
    assert httpx.get(f"{admin.base_url}api/v1/jobs", headers={"Authorization": f"Bearer {other}"}).status_code == 401
    html = admin.get("settings").text
    assert f"settings/keys/{id}/revoke" not in html
    assert "revoked <time" in html


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_who_is_no_admin_has_no_settings(app: PgQueue, http: httpx.Client, role: str) -> None:
    http.post("sign-in", data={"key": key_of(app, role)})
    assert "settings" not in http.get("audit").text
    for path in ("settings", "settings/keys/new"):
        assert http.get(path).status_code == 403


def test_who_makes_the_first_key_is_told_that_it_is_asked_for_from_then_on(app: PgQueue, http: httpx.Client) -> None:
    html = http.get("settings/keys/new").text
    assert ("You have come in without a key" in html, 'value="admin" checked' in html) == (True, True)
    made = send(http, "settings/keys/new", "settings/keys/new", role="admin")
    assert "From now on this dashboard asks for a key" in made.text
    (key,) = set(MADE.findall(made.text))
    http.post("sign-in", data={"key": key})
    assert http.get("settings").status_code == 200
