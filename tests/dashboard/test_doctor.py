"""What is wrong with the install, on a page."""

import httpx

from tests.looking import Look

SEEN = (
    "insert into finding_log select name, subject, 'pauses', f, '2020-01-02Z', clock_timestamp() from diagnose_pauses() f "
    "on conflict (name, subject) do update set seen_at = excluded.seen_at"
)


def test_findings_stand_with_what_to_do_and_since_when(look: Look, http: httpx.Client) -> None:
    look.rows(
        "insert into pause (kind, name, paused_at, by, reason) values ('queue', 'mail', '2020-01-01Z', 'ann', '<b>down</b>')"
    )
    look.rows(SEEN)
    html = http.get("doctor").text
    assert 'data-copy="select pgqueue.resume(&#39;queue&#39;, &#39;mail&#39;)"' in html
    assert '<time datetime="2020-01-02T00:00:00Z"' in html
    assert "&lt;b&gt;down" in html
    assert "Examine again" in html


def test_an_examination_is_asked_for_once_while_it_is_fresh(http: httpx.Client) -> None:
    first = http.get("doctor", headers={"X-Part": "main"})
    mark = first.text.partition('data-shown="')[2].partition('"')[0]
    assert mark
    assert http.get("doctor", headers={"X-Part": "main", "X-Shown": mark}).status_code == 204
