"""pgqueue workflows, pgqueue workflow, pgqueue retry-workflow, pgqueue cancel-workflow."""

import json
import re
from collections.abc import Callable
from importlib import import_module
from typing import Any

import psycopg
import pytest
from rich.console import Console

from pgqueue import PgQueue, Workflow, chain, chord
from pgqueue.cli.session import Session

from ..cutting import cut_all
from ..looking import Look
from .conftest import Run

Work = Callable[[], None]
cli = import_module("pgqueue.cli.workflows")  # the package has a function of this name


@pytest.fixture
def chorded(app: PgQueue, work: Work) -> Workflow[Any]:
    """A chord of three and one, not begun."""
    add = app.tasks["add"]
    flow = app.workflow("sums")
    flow.add(chord([add.s(1, n) for n in range(3)], add.si(5, 5)))
    return flow.enqueue()


@pytest.fixture
def failed(app: PgQueue, work: Work) -> Workflow[Any]:
    """A chain whose middle has failed for good, and who cleans up behind it."""
    flow = app.workflow("import")
    flow.add(app.tasks["add"], (1, 2), name="fetch")
    flow.add(app.tasks["fail"], ("no such page",), name="parse", after="fetch")
    flow.add(app.tasks["add"], (3, 4), name="store", after="parse")
    flow.add(app.tasks["add"], (5, 6), name="clean up", after="parse", when="finished")
    added = flow.enqueue()
    work()
    return added


def rows(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]


def test_workflows_are_listed_newest_first(run: Run, failed: Workflow[Any], chorded: Workflow[Any]) -> None:
    listed = run("workflows", "--json").lines

    assert [(one["id"], one["name"], one["status"]) for one in listed] == [
        (chorded.id, "sums", "running"),
        (failed.id, "import", "failed"),
    ]
    assert (listed[1]["nodes"], listed[1]["succeeded"], listed[1]["failed"], listed[1]["skipped"]) == (4, 2, 1, 1)
    assert listed[0]["took"] is None
    assert listed[1]["age"] >= listed[1]["took"] > 0


def test_people_see_how_far_each_is(run: Run, failed: Workflow[Any], chorded: Workflow[Any]) -> None:
    _, head, _, sums, imported, _ = rows(run("workflows").out)

    assert re.split("  +", head.strip()) == [
        "id", "name", "status", "nodes", "progress", "blocked", "ready", "succeeded", "failed", "skipped", "age", "took",
    ]  # fmt: skip
    assert "running" in sums
    assert "░" * 20 + "   0%" in sums
    assert "█" * 20 + " 100%" in imported


@pytest.mark.parametrize(("filters", "names"), [(("--status", "failed"), ["import"]), (("--limit", "1"), ["sums"])])
def test_workflows_can_be_filtered(
    run: Run, failed: Workflow[Any], chorded: Workflow[Any], filters: tuple[str, ...], names: list[str]
) -> None:
    assert [one["name"] for one in run("workflows", *filters, "--json").lines] == names


def test_an_empty_list_says_so(run: Run) -> None:
    assert run("workflows").out == "no workflows\n"
    assert run("workflows", "--status", "asleep").code == run("workflows", "--status", "skipped").code == 2


def test_a_workflow_is_shown_as_a_tree(run: Run, failed: Workflow[Any]) -> None:
    ran = run("workflow", failed.id)

    assert ran.code == 0
    title, progress, times, _, *tree = rows(ran.out)
    assert title == f"workflow {failed.id}  import  failed"
    assert progress.endswith("100%  2 succeeded, 1 failed, 1 skipped")
    assert "over after" in times
    fetch, parse, store, clean_up = (failed.jobs[name].id for name in ("fetch", "parse", "store", "clean up"))
    assert re.fullmatch(rf"fetch \(add\) #{fetch} succeeded [\d.]+ .?s", tree[0])
    assert re.fullmatch(rf"└── parse \(fail\) #{parse} failed [\d.]+ .?s attempt 2", tree[1])
    assert tree[2] == "      ValueError: no such page"
    assert tree[3] == f"    ├── store (add) #{store} skipped"
    assert tree[4] == f"    │     DependencyFailed: job {parse} (parse) failed"
    assert re.fullmatch(rf"    └── clean up \(add\) #{clean_up} succeeded [\d.]+ .?s  after parse if finished", tree[5])


def test_a_node_with_several_parents_is_shown_once_and_they_name_it(run: Run, chorded: Workflow[Any]) -> None:
    tree = rows(run("workflow", chorded.id).out)[4:]

    assert [line.count("add-4") for line in tree] == [1, 1, 0, 1]
    assert tree[0].endswith("ready  -> add-4")
    assert tree[2].endswith("ready")
    assert tree[3].startswith("└── add-4 (add)")
    assert tree[3].endswith("blocked  after add, add-2, add-3")


def test_parents_are_named_by_policy(run: Run, app: PgQueue, work: Work) -> None:
    flow = app.workflow()
    for name in "abcdef":
        flow.add(app.tasks["add"], (1, 1), name=name)
    flow.add(app.tasks["add"], (1, 1), name="join", after=dict.fromkeys("abcdef", "finished"))
    flow.add(app.tasks["add"], (1, 1), name="other", after={"a": "failed", "b": "succeeded", "c": "failed"})
    shown = run("workflow", flow.enqueue().id).out
    assert "blocked  after a, b, c, d and 2 more if finished" in shown
    assert "blocked  after a, c if failed, b" in shown


def test_what_users_wrote_moves_nothing_on_the_terminal(run: Run, app: PgQueue, work: Work) -> None:
    flow = app.workflow("a\x1b[2Jb\nc")
    flow.add(app.tasks["fail"].si("\x1b]0;title\x07 [red]x"), name="[bold]\x1b[1m")
    id = flow.enqueue().id
    work()

    shown = run("workflow", id).out + run("workflows").out

    assert "\x1b" not in shown
    assert "[bold]\\x1b[1m" in shown
    assert "\\x1b]0;title\\x07 [red]x" in shown


def test_a_deep_chain_is_shown_by_generations(run: Run, app: PgQueue, work: Work) -> None:
    id = chain(*(app.tasks["add"].si(1, n) for n in range(40))).enqueue().id

    tree = rows(run("workflow", id).out)[4:]

    assert (tree[0], tree[-2]) == ("generation 1", "generation 40")
    assert tree[-1].endswith("blocked  after add-39")


def test_a_large_workflow_is_summarised(run: Run, app: PgQueue, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "LISTED", 10)
    monkeypatch.setattr(cli, "FAILURES", 2)
    fail, add = app.tasks["fail"], app.tasks["add"]
    id = chord([*(fail.s(f"reason {n}") for n in range(3)), *(add.s(1, n) for n in range(30))], add.si(1, 1)).enqueue().id
    work()

    shown = rows(run("workflow", id).out)

    assert len(shown) < 15
    assert any(re.match(r" fail +3 +3$", line) for line in shown)
    assert any(re.match(r" add +31 +30 +1 +[\d.]+ .?s$", line) for line in shown)
    assert [line for line in shown if "ValueError: reason" in line][1].endswith("fail-2: ValueError: reason 1")
    assert "and 1 more dead letters: pgqueue dead" in shown


def test_a_workflow_in_json_is_complete(run: Run, failed: Workflow[Any]) -> None:
    (shown,) = run("workflow", failed.id, "--json").lines

    assert (shown["workflow"]["id"], shown["workflow"]["status"], shown["workflow"]["skipped"]) == (failed.id, "failed", 1)
    assert [(node["name"], node["state"]) for node in shown["nodes"]] == [
        ("fetch", "succeeded"), ("parse", "failed"), ("store", "skipped"), ("clean up", "succeeded"),
    ]  # fmt: skip
    assert [edge["when"] for edge in shown["edges"]] == ["succeeded", "succeeded", "finished"]


def test_a_workflow_as_mermaid(run: Run, failed: Workflow[Any]) -> None:
    assert run("workflow", failed.id, "--mermaid").out == failed.graph().to_mermaid()


@pytest.mark.parametrize("how", ["--json", "--mermaid", None])
def test_a_workflow_that_grows_meanwhile_is_shown(
    run: Run, chorded: Workflow[Any], look: Look, monkeypatch: pytest.MonkeyPatch, how: str | None
) -> None:
    read = Session.run

    def grow_afterwards(session: Session, call: Any) -> Any:
        answer = read(session, call)
        late = {"task": "add", "args": {"a": 1, "b": 2}, "after": ["add"]}
        look.value("select extend_workflow(%s, %s)", chorded.id, json.dumps([late]))
        return answer

    monkeypatch.setattr(Session, "run", grow_afterwards)
    assert run("workflow", chorded.id, *([how] if how else [])).code == 0


def test_watching_ends_with_the_workflow(run: Run, chorded: Workflow[Any], work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "pause", work)

    ran = run("workflow", chorded.id, "--watch")

    assert ran.code == 0
    assert rows(ran.out) == [
        f"workflow {chorded.id} running: 0 of 4 over; 1 blocked, 3 ready",
        f"workflow {chorded.id} succeeded: 4 of 4 over; 4 succeeded",
    ]


def test_watching_goes_on_when_its_connection_is_cut(
    run: Run, chorded: Workflow[Any], work: Work, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: Callable[[Session], None] = Session._open
    steps: list[Work] = [work, lambda: cut_all(look), lambda: cut_all(look)]

    def refused_once(session: Session) -> None:
        if len(steps) == 1:
            monkeypatch.setattr(Session, "_open", opened)
            raise psycopg.OperationalError("the database system is starting up")
        opened(session)

    monkeypatch.setattr(cli, "pause", lambda: steps.pop()())
    monkeypatch.setattr(Session, "_open", refused_once)
    ran = run("workflow", chorded.id, "--watch")
    assert (ran.code, ran.err, steps) == (0, "", [])


def test_watching_in_json_is_a_line_a_change(
    run: Run, chorded: Workflow[Any], work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "pause", work)
    assert [now["status"] for now in run("workflow", chorded.id, "--watch", "--json").lines] == ["running", "succeeded"]


def test_watching_on_a_terminal_ends_with_the_tree(
    run: Run, chorded: Workflow[Any], work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "pause", work)
    monkeypatch.setattr(cli, "console", lambda: Console(force_terminal=True, width=100))

    ran = run("workflow", chorded.id, "--watch")

    assert ran.code == 0
    assert "succeeded" in ran.out.split("100%")[1]


def test_watching_what_failed_is_a_failure(run: Run, failed: Workflow[Any]) -> None:
    assert run("workflow", failed.id, "--watch").code == 1


def test_ctrl_c_ends_watching_and_nothing_else(run: Run, chorded: Workflow[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "pause", stop)
    ran = run("workflow", chorded.id, "--watch")
    assert (ran.code, ran.err) == (130, "")
    assert chorded.status == "running"


@pytest.mark.parametrize("command", [("workflow",), ("workflow", "--watch"), ("retry-workflow",), ("cancel-workflow",)])
def test_a_workflow_that_does_not_exist(run: Run, command: tuple[str, ...]) -> None:
    ran = run(*command, 999)
    assert (ran.code, ran.out, ran.err.count("\n")) == (3, "", 1)
    assert "there is no workflow 999" in ran.err


def test_dead_letters_of_a_workflow_run_again(run: Run, failed: Workflow[Any], look: Look) -> None:
    ran = run("retry-workflow", 999, failed.id)

    assert (ran.code, ran.out) == (3, f"workflow {failed.id}: 1 dead letter run again\n")
    assert failed.refresh().counts | {"succeeded": 0} == dict.fromkeys(failed.counts, 0) | {"blocked": 1, "ready": 1}
    assert run("retry-workflow", failed.id, "--json").lines == [{"id": failed.id, "retried": 0}]


def test_what_has_not_started_is_cancelled(run: Run, chorded: Workflow[Any], look: Look) -> None:
    assert run("cancel-workflow", chorded.id, "--json").lines == [{"id": chorded.id, "cancelled": 4, "stopping": 0}]
    assert chorded.refresh().status == "cancelled"
    assert run("cancel-workflow", chorded.id).out == f"workflow {chorded.id}: no jobs cancelled\n"


def test_running_jobs_are_asked_to_stop(run: Run, chorded: Workflow[Any], connection: psycopg.Connection[Any]) -> None:
    connection.execute(
        "update pgqueue.job set state = 'running', worker_id = gen_random_uuid(), claim_token = gen_random_uuid(), "
        "claimed_at = clock_timestamp() where id = %s",
        [chorded.jobs["add"].id],
    )
    assert run("cancel-workflow", chorded.id).out == f"workflow {chorded.id}: 3 jobs cancelled, 1 running job asked to stop\n"


def test_an_error_of_a_first_node_stands_below_it(run: Run, app: PgQueue, work: Work) -> None:
    id = app.tasks["fail"].map(["this"]).enqueue().id
    work()
    assert rows(run("workflow", id).out)[-1] == "  ValueError: this"


def test_a_workflow_without_a_name_shows_its_first_task(run: Run, app: PgQueue, work: Work) -> None:
    chain(app.tasks["add"].si(1, 1), app.tasks["fail"].si("x")).enqueue()
    assert "(add …)" in run("workflows").out
    assert (run("workflows", "--json").lines[0]["name"], run("workflows", "--json").lines[0]["first_task"]) == (None, "add")


@pytest.mark.parametrize("other", ["--json", "--watch"])
def test_mermaid_goes_with_nothing_else(run: Run, failed: Workflow[Any], other: str) -> None:
    ran = run("workflow", failed.id, "--mermaid", other)
    assert (ran.code, ran.out) == (2, "")
    assert "--mermaid goes with neither" in ran.err


def test_a_task_that_no_worker_has_is_noted(run: Run, app: PgQueue, look: Look, database_url: str) -> None:
    elsewhere = PgQueue(database_url)
    flow = chain(elsewhere.task(name="welcom")(lambda: None).si(), elsewhere.task(name="next")(lambda: None).si()).enqueue()
    job = flow.jobs["welcom"].id
    elsewhere.close()
    noted = r"no worker for this task since 20\d\d-"
    assert not re.search(noted, run("workflow", flow.id).out)
    look.rows("select register_worker(gen_random_uuid(), 'w', 'h', 1, '0', '{default}', 1, '1 h', '{}', '{welcome}')")
    assert "it waits for a worker that knows 'welcom'" in run("explain", job).out
    assert re.search(rf"^welcom #{job} ready  {noted}", run("workflow", flow.id).out, re.MULTILINE)
    assert run("job", job, "--json").lines[0]["unknown_since"] is not None


def test_json_of_a_workflow_with_errors_is_one_document(run: Run, failed: Workflow[Any]) -> None:
    (node,) = (node for node in json.loads(run("workflow", failed.id, "--json").out)["nodes"] if node["name"] == "parse")
    assert (node["error"]["type"], node["error"]["message"]) == ("ValueError", "no such page")


def test_a_job_says_of_which_workflow_it_is(run: Run, app: PgQueue, failed: Workflow[Any]) -> None:
    plain = app.tasks["add"].enqueue(1, 2)
    assert re.search(rf"workflow id +{failed.id} *$", run("job", failed.jobs["parse"].id).out, re.MULTILINE)
    assert "workflow id" not in run("job", plain.id).out
    assert run("job", plain.id, "--json").lines[0]["workflow_id"] is None
