"""The pages of workflows, read without a script: what they show, what they let do, and to whom."""

import re

import httpx
import pytest

from pgqueue import PgQueue
from pgqueue.dashboard import Viewer
from pgqueue.dashboard.shared import Shared
from tests.client.manual_worker import ManualWorker
from tests.dashboard.acting import seen_by, token_of
from tests.dashboard.forms import send, text_of
from tests.looking import Look
from tests.sql.conftest import Sql
from tests.sql.flows import Flow, node, start

HOSTILE = ["<script>alert(1)</script>", "\" onload=alert(1) x='", "\u202eevil 😀", "x" * 200, "{{ 7*7 }}"]


@pytest.fixture(autouse=True)
def asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer is shared with an earlier request."""
    monkeypatch.setattr(Shared, "get", lambda _, key, make: make())


def fan(sql: Sql, size: int, name: str = "pages") -> Flow:
    """One node, so many behind it, and one behind these."""
    middle = [{"task": "parse", "name": f"parse {n}", "after": ["fetch"]} for n in range(size)]
    return start(sql, node("fetch"), *middle, node("store", *(one["name"] for one in middle)), name=name)


def test_the_list_shows_progress_and_finds_workflows(http: httpx.Client, sql: Sql) -> None:
    assert "There is no workflow yet" in http.get("workflows").text
    done, open_ = start(sql, node("a"), name="Nightly load"), fan(sql, 3, "report")
    done.run("a")
    page = http.get("workflows").text
    assert f'href="./workflows/{done.id}"' in page
    assert "1 of 1 nodes ended" in page
    assert "0 of 5 nodes ended" in page
    assert page.index("report") < page.index("Nightly load")
    assert f"workflow-{open_.id}" not in http.get("workflows", params={"status": "succeeded"}).text
    found = http.get("workflows", params={"name": "nightly"}).text
    assert f"workflow-{done.id}" in found
    assert f"workflow-{open_.id}" not in found
    assert "No workflow matches" in http.get("workflows", params={"name": "no such"}).text


def test_the_list_goes_on_page_by_page(http: httpx.Client, sql: Sql) -> None:
    ids = [start(sql, node("a")).id for _ in range(27)]
    first = http.get("workflows").text
    (next_,) = re.findall(r'rel="next" href="([^"]+)"', first)
    second = http.get(next_.removeprefix("./").replace("&amp;", "&")).text
    assert [f"workflow-{id}" in second for id in ids[:3]] == [True, True, False]


def test_a_large_workflow_is_not_counted_by_state_in_the_list(http: httpx.Client, sql: Sql) -> None:
    flow = fan(sql, 450)
    flow.run("fetch", "failed")
    row = http.get("workflows").text.partition(f'id="workflow-{flow.id}"')[2]
    assert "Large workflows are counted on their own page only" in row
    assert "452 of 452 nodes ended" in row


def test_a_workflow_shows_its_graph_and_its_nodes(http: httpx.Client, sql: Sql) -> None:
    flow = fan(sql, 8)
    flow.run("fetch")
    flow.run("parse 3", "failed")
    page = http.get(f"workflows/{flow.id}").text
    assert page.count('<a id="box-') == 3
    assert 'aria-label="8 nodes of parse: 1 failed, 7 ready"' in page
    assert 'aria-label="fetch: succeeded, task fetch"' in page
    assert f'href="../jobs/{flow["fetch"]}"' in page
    assert f'href="../workflows/{flow.id}?task=parse#nodes"' in page
    assert "2 of 10 nodes ended" not in page
    assert "3 of 10 nodes ended" in page
    assert page.count('<tr id="node-') == 10
    failed = http.get(f"workflows/{flow.id}", params={"state": "failed", "task": "parse"}).text
    assert re.findall(r'<tr id="node-(\d+)"', failed) == [str(flow["parse 3"])]
    assert "No node matches" in http.get(f"workflows/{flow.id}", params={"task": "none"}).text


def test_the_boxes_stay_where_they_are_while_states_change(http: httpx.Client, sql: Sql) -> None:
    flow = start(sql, node("a"), node("b", "a"), node("c", "a"), node("d", "b", {"node": "c", "when": "finished"}))
    flow2 = fan(sql, 7)

    def places(of: Flow) -> list[str]:
        page = http.get(f"workflows/{of.id}").text
        return re.findall(r'<svg x="[^>]+>', page) + re.findall(r' d="[^"]+"', page)

    before = places(flow), places(flow2)
    flow.run("a")
    flow.run("c", "failed")
    flow2.run("fetch", "failed")
    assert (places(flow), places(flow2)) == before
    page = http.get(f"workflows/{flow.id}").text
    assert 'class="edge finished"' in page
    assert "after it is over, however it ended" in page


def test_a_blocked_node_says_what_it_waits_for(http: httpx.Client, sql: Sql) -> None:
    flow = start(sql, node("a"), node("b", "a"))
    page = http.get(f"workflows/{flow.id}").text
    assert f"node={flow['b']}" in page
    assert "1 parent" in page
    why = http.get(f"workflows/{flow.id}", params={"node": str(flow["b"])}).text
    assert "it waits for 1 parent to end" in text_of(why)
    assert f'href="../jobs/{flow["a"]}">a</a>' in why


def test_a_graph_is_drawn_in_other_sizes(http: httpx.Client, sql: Sql) -> None:
    flow = start(sql, node("a"), node("b", "a"))

    def width(zoom: str) -> int:
        page = http.get(f"workflows/{flow.id}", params={"zoom": zoom, "state": "blocked"}).text
        assert re.search(r"[?]\S*state=blocked\S*#graph", page)  # what is filtered stays so
        return int(re.findall(r'<svg role="group"[^>]* width="(\d+)"', page)[0])

    assert (width("50"), width("150"), width("nonsense")) == (width("100") // 2, width("100") * 3 // 2, width("100"))
    assert 'class="graph fit"' in http.get(f"workflows/{flow.id}?zoom=fit").text


def test_failed_nodes_are_retried_after_a_question_that_names_their_number(http: httpx.Client, sql: Sql, look: Look) -> None:
    flow = start(sql, node("a"), node("b", "a"), node("c", "b"))
    flow.run("a", "failed")
    page = http.get(f"workflows/{flow.id}")
    assert "1 dead letter runs again" in text_of(page)
    assert "2 at most" in text_of(page)
    after = send(http, f"workflows/{flow.id}", f"workflows/{flow.id}/retry").text
    assert "1 dead letter runs again; what was skipped below waits again." in after
    assert flow.states() == {"a": "ready", "b": "blocked", "c": "blocked"}
    assert "retried what failed" in after
    assert "Retry failed" not in after
    assert "No dead letter is left to retry." in send(http, page, f"workflows/{flow.id}/retry").text
    assert look.value("select count(*) from audit where verb = 'retry_workflow'") == 2


def test_a_workflow_is_cancelled_after_a_question_that_names_the_numbers(
    http: httpx.Client, sql: Sql, manual_worker: ManualWorker
) -> None:
    flow = start(sql, node("a"), node("b", "a"), node("c", "b"))
    manual_worker.claim()
    page = http.get(f"workflows/{flow.id}")
    assert "2 of 3 nodes have not begun: they are cancelled. 1 runs and is asked to stop." in text_of(page)
    after = send(http, f"workflows/{flow.id}", f"workflows/{flow.id}/cancel").text
    assert "2 nodes were cancelled; those that run are asked to stop." in after
    assert "cancelled it" in after
    assert "No node was waiting" in send(http, page, f"workflows/{flow.id}/cancel").text


def test_a_viewer_sees_no_button_and_may_not_act(app: PgQueue, sql: Sql) -> None:
    flow = start(sql, node("a"), node("b", "a"))
    with seen_by(app, Viewer("ann", "viewer")) as http:
        page = http.get(f"workflows/{flow.id}").text
        assert "Workflow" in page
        assert 'method="post"' not in page
        assert http.post(f"workflows/{flow.id}/cancel", data={"csrf": token_of(http)}).status_code == 403
        assert flow.states() == {"a": "ready", "b": "blocked"}
    with seen_by(app, Viewer("ann", "operator", queues=["mail"])) as http:
        assert http.get(f"workflows/{flow.id}").status_code == 403
        assert http.get("workflows").status_code == 403


def test_hostile_names_stay_text(http: httpx.Client, sql: Sql) -> None:
    flow = start(sql, *({"task": name, "name": name} for name in HOSTILE), name=f"{HOSTILE[0]} {HOSTILE[2]}")
    sql.rows("update workflow set callback_error = %s", HOSTILE[0])
    own = f"workflows/{flow.id}"
    for path in ("workflows", own, f"{own}?node={flow[HOSTILE[0]]}", f"{own}/mermaid"):
        page = http.get(path).text
        assert not [one for one in ("<script>alert", '" onload=', "\u202e") if one in page], path
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in http.get(f"workflows/{flow.id}").text


@pytest.mark.parametrize(
    "query", [{"task": HOSTILE[1]}, {"name": HOSTILE[1]}, {"node": "../../keys"}, {"state": "none"}, {"zoom": "x"}]
)
def test_hostile_queries_break_nothing(http: httpx.Client, sql: Sql, query: dict[str, str]) -> None:
    flow = start(sql, node("a"))
    answer = http.get(f"workflows/{flow.id}", params=query)
    assert answer.status_code == 200
    assert '" onload=' not in answer.text
    assert answer.text.count('<a id="box-') == 1


def test_the_source_of_mermaid_can_be_copied(http: httpx.Client, sql: Sql) -> None:
    flow = start(sql, node("a"), node("b", "a"))
    page = http.get(f"workflows/{flow.id}/mermaid").text
    assert "flowchart TD" in page
    assert f"n{flow['a']} --&gt; n{flow['b']}" in page
    assert 'data-copy="flowchart TD' in page


@pytest.mark.parametrize(("path", "status"), [("workflows/999", 404), ("workflows/x", 422), ("workflows/999/mermaid", 404)])
def test_a_workflow_that_is_not_there_is_a_page_of_its_own(http: httpx.Client, path: str, status: int) -> None:
    answer = http.get(path)
    assert answer.status_code == status
    assert "<h1>" in answer.text
    assert "To the overview" in answer.text


def test_a_page_that_is_open_gets_an_answer_only_if_something_has_changed(http: httpx.Client, sql: Sql) -> None:
    flow = fan(sql, 7)
    path = f"workflows/{flow.id}"

    def part(shown: str) -> httpx.Response:
        return http.get(path, headers={"X-Part": "main", "X-Shown": shown})

    def mark(answer: httpx.Response) -> str:
        return str(re.findall(r'data-shown="(\w+)"', answer.text)[0])

    shown = mark(part(""))
    assert part(shown).status_code == 204
    flow.run("fetch")
    assert mark(part(shown)) != shown
