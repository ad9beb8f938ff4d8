"""Refusals are told to people: no header, no field of a document, and a remedy that can be followed on a page."""

import re

import httpx
import pytest

from pgqueue import PgQueue
from pgqueue.api.problems import KINDS
from pgqueue.dashboard import Viewer, create_app
from pgqueue.dashboard.words import for_people
from tests.api.keyed import key_of
from tests.api.serving import served
from tests.dashboard.acting import sign_in
from tests.dashboard.forms import said, send

JARGON = re.compile("`(detail|remedy)`|header|Bearer|Retry-After|Content-Type")
OF_PROGRAMS = {"not-json", "unsupported-media-type", "key-reused", "still-running"}  # no page sends such a request


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - OF_PROGRAMS))
def test_no_refusal_speaks_of_http(kind: str) -> None:
    of = KINDS[kind]
    told = for_people({"type": f"/api/v1/problems/{kind}", "title": of.title, "detail": "", "remedy": of.remedy})
    assert not JARGON.search(" ".join(map(str, told.values()))), told


def test_a_remedy_of_its_own_stays() -> None:
    assert for_people({"type": "invalid", "detail": "x", "remedy": "use one of a, b"})["remedy"] == "use one of a, b"


def test_a_wrong_key_is_told_what_may_be_wrong_with_it(app: PgQueue, http: httpx.Client) -> None:
    key_of(app)
    shown = sign_in(http, "pgq_nonsense").text
    assert "it is not known, has expired or was revoked" in shown
    assert not JARGON.search(shown.partition('role="alert"')[2].partition("</div>")[0])
    assert "role viewer, operator or admin" in sign_in(http, key_of(app, "producer")).text


def test_who_lacks_a_right_is_told_where_to_get_it(app: PgQueue, http: httpx.Client) -> None:
    http.cookies.set("pgqueue_key", key_of(app, "viewer"))
    shown = http.get("settings").text
    assert "You may not do this" in shown
    assert "sign in with a key that has it" in shown
    with served(create_app(app, authorize=lambda _: Viewer("ann", "viewer"))) as url:
        assert "ask who runs this application" in httpx.get(f"{url}/settings").text
    with served(create_app(app, authorize=lambda _: None)) as url:
        refused = httpx.get(f"{url}/").text
    assert "ask who runs it" in refused
    assert "To the overview" not in refused, "it is refused, too"


def test_a_remedy_is_said_once(app: PgQueue, http: httpx.Client) -> None:
    app.limits.set("openai", rate="60/m")
    told = said(send(http, "limits", "limits/openai/park", unit="h", **{"for": "long"}))
    remedy = told.rpartition("; ")[2]
    assert told.count(remedy.rstrip(".")) == 1, told
