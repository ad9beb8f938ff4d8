"""Every act of every page: for the roles that may call its endpoint of the API and nobody else, and only by a form of a page. And
every page: for its roles, and every list, which goes on."""

import re

import httpx
import pytest

from pgqueue.api.callers.caller import READERS
from pgqueue.dashboard.door import KEY
from pgqueue.dashboard.page import Page
from pgqueue.dashboard.rights import endpoint_of

from .every_page import ACTS, ALSO, PAGES, path_of
from .seeding import Seeded

REFUSED, NO_TOKEN = "it needs another role", "not of this session"
PAGED = {
    "/audit", "/dead-letters/{fingerprint}", "/jobs", "/jobs/{job_id}/log", "/limits", "/operations", "/pools", "/pools/{name}",
    "/queues", "/schedules", "/schedules/{name}", "/settings", "/workers", "/workers/rescues", "/workflows",
    "/workflows/{workflow_id}",
}  # fmt: skip
by_role = pytest.mark.parametrize("role", sorted(READERS))


@by_role
@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.path)
def test_an_act_is_for_its_roles_and_needs_the_token(install: tuple[str, Seeded], act: Page, role: str) -> None:
    url, seeded = install
    with httpx.Client(base_url=f"{url}/", timeout=20, cookies={KEY: seeded.keys[role]}) as client:
        answer = client.post(path_of(act, seeded), data={"csrf": "x"}, headers={"Sec-Fetch-Site": "same-origin"})
        foreign = client.post(path_of(act, seeded), data={"csrf": "x"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert (answer.status_code, foreign.status_code) == (403, 403)
    may = role in endpoint_of(act.of).may
    assert (NO_TOKEN if may else REFUSED) in answer.text, (act.of, role)


@by_role
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path)
def test_a_page_is_for_its_roles_and_offers_only_what_they_may_do(install: tuple[str, Seeded], page: Page, role: str) -> None:
    url, seeded = install
    with httpx.Client(base_url=f"{url}/", timeout=20, cookies={KEY: seeded.keys[role]}) as client:
        answer = client.get(path_of(page, seeded))
        may = all(role in endpoint_of(of).may for of in (page.of, ALSO.get(page.path, page.of)))
        assert answer.status_code == (200 if may else 403)
        forms = re.findall(r'<form[^>]*method="post"[^>]*action="([^"?]+)', answer.text)
        for action in {form for form in forms if not form.endswith("sign-out")}:
            refused = client.post(str(answer.url.join(action)), data={"csrf": "x"}, headers={"Sec-Fetch-Site": "same-origin"})
            assert refused.status_code == 403, action
            assert REFUSED not in refused.text, f"{role} sees a form of what it may not do: {action}"


def test_what_an_act_stands_for_changes_something() -> None:
    for act in ACTS:
        assert endpoint_of(act.of).method != "GET", act.path
    for page in PAGES:
        assert page.path.startswith("/")
        endpoint_of(page.of)


def test_every_list_goes_on_where_its_link_says(install: tuple[str, Seeded]) -> None:
    """A mark that the API has not made is refused, and the page says so; a list that forgets the mark shows its first page."""
    url, seeded = install
    heeding = set()
    with httpx.Client(base_url=f"{url}/", timeout=20, cookies={KEY: seeded.keys["admin"]}) as client:
        for page in PAGES:
            path = path_of(page, seeded)
            answer = client.get(f"{path}{'&' if '?' in path else '?'}cursor=nonsense")
            if answer.status_code >= 400 or re.search(r'class="problem.{0,200}cursor', answer.text, re.S):
                heeding.add(re.sub(r":\w+", "", page.path))
    assert heeding == PAGED
