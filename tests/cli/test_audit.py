"""pgqueue audit."""

from pgqueue.cli.who import me

from .conftest import Run


def test_nothing_was_done_yet(run: Run) -> None:
    assert run("audit").out == "no entries\n"
    assert run("audit", "--json").out == ""


def test_who_has_done_what_and_what_it_was_before(run: Run) -> None:
    run("limits", "set", "openai", "--rate", "5/s")
    run("limits", "set", "openai", "--rate", "6/s")
    run("pause", "mail", "--by", "ann", "--reason", "mail is down")
    (job,) = run("enqueue", "send", "--json").lines
    run("cancel", job["id"], "--note", "not wanted")

    lines = run("audit", "--json").lines
    assert [line["verb"] for line in lines] == ["cancel", "pause", "set_limit", "set_limit"]
    assert [line["by"] for line in lines] == [me(), "ann", me(), me()]
    assert (lines[0]["reason"], lines[1]["reason"], lines[0]["application"]) == ("not wanted", "mail is down", "pgqueue command")
    out = run("audit").out
    assert "rate: 5 → 6" in out
    assert "queue mail" in out
    assert f"job {job['id']}" in out
    assert run("audit", "--verb", "pause", "--json").lines == [lines[1]]
    assert run("audit", "--since", "1h", "--kind", "limit", "--subject", "openai", "--by", me(), "--json").lines == lines[2:]


def test_what_is_set_no_longer_is_shown(run: Run) -> None:
    run("limits", "set", "openai", "--rate", "5/s", "--max-running", "3")
    run("limits", "set", "openai", "--max-running", "0")
    assert "max_running: 3 → none" in run("audit").out


def test_an_operation_shows_on_how_many_jobs_it_has_acted(run: Run) -> None:
    for _ in range(3):
        run("enqueue", "send")
    run("cancel", "--task", "send")
    assert "3 jobs" in run("audit", "--verb", "finish").out


def test_bad_options_are_refused_in_one_line(run: Run) -> None:
    for arguments in (["--verb", "destroy"], ["--kind", "x"], ["--since", "yesterday"], ["--limit", "1000000"]):
        ran = run("audit", *arguments)
        assert (ran.code, ran.err.count("\n")) == (2, 1), arguments
