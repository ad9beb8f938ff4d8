"""What people have done, on a page."""

import httpx
import pytest

from pgqueue import PgQueue
from pgqueue.dashboard import Viewer
from tests.dashboard.acting import seen_by
from tests.looking import Look


def test_an_entry_leads_to_what_it_is_about_and_shows_what_was_and_is(app: PgQueue, look: Look, http: httpx.Client) -> None:
    look.rows("select set_limit('tenant:4.2', 5, '1 s')")
    look.rows("select set_limit('tenant:4.2', 9, '1 s')")
    app.pause("mail", reason="<script>alert(1)</script>", by="<b>ann</b>")
    html = http.get("audit").text
    assert 'href="./limits/tenant%3A4.2"' in html
    assert 'href="./queues/mail"' in html
    assert "<td><del>5</del></td><td><ins>9</ins></td>" in html
    assert "<script>alert" not in html
    assert "?by=%3Cb%3Eann%3C%2Fb%3E" in html


def test_entries_are_found_by_the_links_beside_them(app: PgQueue, http: httpx.Client) -> None:
    app.pause("mail", by="ann")
    app.pause("news", by="bob")
    for query, many in {"": 2, "?by=ann": 1, "?kind=queue&subject=news": 1, "?since=-1h": 2, "?verb=resume": 0}.items():
        assert http.get(f"audit{query}").text.count('id="entry-') == many, query
    assert "Nobody has changed anything that matches" in http.get("audit?verb=resume").text


def test_pages_follow_each_other_with_the_same_filter(app: PgQueue, http: httpx.Client) -> None:
    for n in range(52):
        app.pause(f"q{n}", by="ann")
    html = http.get("audit?by=ann").text
    assert html.count('id="entry-') == 50
    link = html.partition('rel="next" href="./')[2].partition('"')[0].replace("&amp;", "&")
    assert "by=ann" in link
    assert http.get(link).text.count('id="entry-') == 2


@pytest.mark.parametrize("may_read", [True, False])
def test_values_are_hidden_from_who_may_not_read_arguments(app: PgQueue, look: Look, may_read: bool) -> None:
    look.rows("select set_limit('openai', 5, '1 s')")
    look.rows("select set_limit('openai', 987, '1 s')")
    viewer = Viewer("ann", "viewer", may_read_arguments=may_read)
    with seen_by(app, viewer) as http:
        assert ("987" in http.get("audit").text) is may_read


def test_a_viewer_is_not_led_where_it_may_not_go(app: PgQueue, look: Look) -> None:
    look.rows("select create_key('abcdefghijkl', decode(repeat('00', 32), 'hex'), 'shop', 'viewer')")
    with seen_by(app, Viewer("ann", "viewer")) as http:
        html = http.get("audit").text
        assert "create_key" in html
        assert 'settings"' not in html
