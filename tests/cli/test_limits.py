"""pgqueue limits, and limits in pgqueue enqueue and pgqueue job."""

from typing import Any

import psycopg
import pytest

from pgqueue.cli.limit_view import number, wait

from ..client.manual_worker import ManualWorker
from ..looking import Look
from .conftest import Run


def test_without_limits_it_says_so(run: Run) -> None:
    assert run("limits").out == "no limits\n"
    assert run("limits", "--json").out == ""


def test_set_makes_a_limit_and_says_what_it_is(run: Run, look: Look) -> None:
    ran = run("limits", "set", "openai", "--rate", "100/m", "--burst", 10, "--max-running", 3)
    assert (ran.code, ran.out) == (0, "made limit openai: 100/m, burst 10, max 3 running\n")
    assert look.value("select rate from limit_def") == 100

    more = ("--counts", "starts", "--weight", 5, "--retry-blocks", "--disable", "--json")
    (changed,) = run("limits", "set", "openai", *more).lines
    said = {"rate": 100, "per": 60, "burst": 10, "max_running": 3}
    said |= {"count_cost": False, "weight": 5, "retry_blocks": True, "enabled": False}
    assert {name: changed[name] for name in said} == said

    ran = run("limits", "set", "openai", "--rate", "0", "--no-retry-blocks", "--enable")
    assert ran.out == "changed limit openai: max 3 running\n"
    assert run("limits", "set", "openai", "--max-running", "0").out == "changed limit openai: no limit\n"


def test_a_key_of_a_limit_gets_one_of_its_own(run: Run) -> None:
    run("limits", "set", "tenant", "--rate", "1/d")
    assert run("limits", "set", "tenant:42", "--rate", "2/d").out == "made limit tenant:42: 2/d, burst 1\n"
    assert run("limits", "set", "tenant:42", "--rate", "3/d").out == "changed limit tenant:42: 3/d, burst 1\n"


def test_set_without_an_option_shows_what_is_there_and_makes_nothing(run: Run, look: Look) -> None:
    ran = run("limits", "set", "openai")
    assert (ran.code, ran.out) == (2, "")
    assert "name: there is no limit 'openai'; to create it, give at least one option, such as --rate 60/m" in ran.err
    run("limits", "set", "openai", "--rate", "1/d")
    before = look.value("select changed_at from limit_def")
    assert run("limits", "set", "openai").out == "limit openai: 1/d, burst 1\n"
    assert look.value("select changed_at from limit_def") == before


@pytest.mark.parametrize(
    ("rate", "said"), [("10/30s", "10/30s"), ("3/60s", "3/m"), ("1/2h", "1/2h"), ("50/d", "50/d"), ("0.5/90s", "0.5/90s")]
)
def test_a_rate_is_shown_in_its_largest_unit(run: Run, rate: str, said: str) -> None:
    assert run("limits", "set", "openai", "--rate", rate).out == f"made limit openai: {said}, burst 1\n"


def test_the_list_shows_every_key_with_live_figures(run: Run) -> None:
    run("limits", "set", "tenant", "--rate", "10/m", "--burst", 5)
    run("enqueue", "send", '{"to": 1}', "--limit", "tenant:{to}", "--fair", "turn:{to}")
    run("limits", "park", "tenant:2", "--for", "1h")
    head, _, *lines = [line.split() for line in run("limits").out.splitlines() if line.strip()]
    assert head[:4] == ["key", "limit", "running", "waiting"]
    assert [line[0] for line in lines] == ["tenant", "tenant:1", "tenant:2", "turn:1"]
    assert lines[1][1:] == ["10/m,", "burst", "5", "0", "1", "5", "0", "1"]  # running, waiting, tokens, used, weight
    printed = {row["key"]: row for row in run("limits", "--json").lines}
    assert (printed["tenant:1"]["waiting"], printed["tenant:1"]["tokens"], printed["tenant:1"]["remaining"]) == (1, 5, 10)
    assert (printed["tenant"]["waiting"], printed["turn:1"]["limit_name"], printed["turn:1"]["waiting"]) == (0, None, 1)
    assert printed["tenant:2"]["parked_until"] is not None


def test_figures_are_plain_numbers_and_waits_are_short(run: Run, look: Look) -> None:
    assert run("limits", "set", "openai", "--rate", "1000000/d", "--burst", 2000000).out.endswith(" 1000000/d, burst 2000000\n")
    look.value(
        "insert into bucket (key, tokens, refilled_at) values ('openai', 1234567.891, clock_timestamp() + '1 h') returning key"
    )
    assert "1234567.89" in (shown := run("limits", "get", "openai").out)
    assert "765432.11 of 2000000" in shown
    run("limits", "set", "one", "--rate", "1/d")
    look.value("insert into bucket (key, tokens, refilled_at) values ('one', 0, clock_timestamp() + '1 h') returning key")
    assert [line for line in run("limits").out.splitlines() if "1/d, burst 1" in line and " 24h " in line]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0001, "0.01s"), (0.5, "0.5s"), (12.345, "12.35s"), (59.999, "1m"), (200, "3m 20s"), (3599.7, "1h"), (7261, "2h 1m"),
        (86400, "24h"), (172800, "2d"), (200000, "2d 7h"),
    ],
)  # fmt: skip
def test_a_wait_is_told_in_its_two_largest_units(seconds: float, said: str) -> None:
    assert wait(seconds) == said


def test_a_debt_is_a_number_below_zero_and_nothing_is_zero() -> None:
    assert [number(value) for value in (-3.5, -0.001, 0, 0.126, None)] == ["-3.5", "0", "0", "0.13", None]


def test_get_shows_one_key(run: Run) -> None:
    run("limits", "set", "tenant", "--rate", "10/m", "--burst", 5)
    ran = run("limits", "get", "tenant:9")
    assert ran.out.splitlines()[0].strip() == "limit tenant:9"
    assert "0 of 5" in ran.out
    (printed,) = run("limits", "get", "tenant:9", "--json").lines
    assert (printed["key"], printed["limit_name"], printed["tokens"]) == ("tenant:9", "tenant", 5)


def test_a_key_in_place_of_a_command_is_told_which_one_shows_it(run: Run) -> None:
    ran = run("limits", "openai")
    assert (ran.code, ran.out) == (2, "")
    said = " ".join(ran.err.replace("│", " ").split())
    assert (
        "No such command 'openai'; there are: set, get, reset, delete, park, unpark. To show one key: pgqueue limits get" in said
    )


def test_reset_fills_buckets_and_says_how_many(run: Run, look: Look) -> None:
    run("limits", "set", "openai", "--rate", "1/d")
    look.value("insert into bucket (key, tokens, refilled_at) values ('openai', 0, clock_timestamp()) returning key")
    assert run("limits", "get", "openai", "--json").lines[0]["tokens"] < 0.5
    assert run("limits", "reset", "openai").out == "openai: 1 bucket filled\n"
    assert run("limits", "reset", "openai", "--json").lines == [{"key": "openai", "filled": 1}]
    assert run("limits", "get", "openai", "--json").lines[0]["tokens"] == 1


def test_delete_removes_it(run: Run, look: Look) -> None:
    for how, printed in (((), "limit openai deleted\n"), (("--json",), '{"name": "openai", "deleted": true}\n')):
        run("limits", "set", "openai", "--rate", "1/d")
        assert run("limits", "delete", "openai", *how).out == printed
        assert look.value("select count(*) from limit_def") == 0


@pytest.mark.parametrize(
    "until",
    [("--for", "2h"), ("--for", "7200"), ("--for", "120m"), ("--until", "2999-01-31T12:00+01:00"), ("--until", "2999-01-31")],
)
def test_park_shuts_a_key_and_unpark_opens_it(run: Run, look: Look, until: tuple[str, str]) -> None:
    run("limits", "set", "openai", "--rate", "1/d")
    ran = run("limits", "park", "openai", *until)
    assert ran.code == 0
    assert ran.out.startswith("openai parked until 2")
    hours = look.value("select extract(epoch from max(until) - clock_timestamp()) / 3600 from parking")
    assert 1.9 < hours <= 2 if until[0] == "--for" else hours > 1e6
    assert run("limits", "park", "openai", *until, "--json").lines[0]["parked_until"] is not None
    assert run("limits", "unpark", "openai").out == "openai opened\n"
    assert run("limits", "unpark", "openai").out == "openai was not parked\n"
    assert run("limits", "unpark", "openai", "--json").lines == [{"key": "openai", "was_parked": False}]


def test_the_reason_of_a_park_is_kept(run: Run, look: Look) -> None:
    run("limits", "set", "openai", "--rate", "1/d")
    run("limits", "park", "openai", "--for", "1h", "--reason", "they ask us to")
    assert look.value("select reason from audit where verb = 'park'") == "they ask us to"


@pytest.mark.parametrize("shorter", [("--for", "1h"), ("--for", "0"), ("--until", "2020-01-01"), ("--until", "2998-01-01")])
def test_a_shorter_park_says_that_a_longer_one_is_in_force(run: Run, shorter: tuple[str, str]) -> None:
    run("limits", "set", "openai", "--rate", "1/d")
    longer = ("limits", "park", "openai", "--until", "2999-01-31T12:00")
    assert run(*longer).out == "openai parked until 2999-01-31 12:00:00\n"
    assert run("limits", "park", "openai", *shorter).out == (
        "openai stays parked until 2999-01-31 12:00:00: it is parked for longer already; unpark it first\n"
    )
    assert run(*longer).out == "openai parked until 2999-01-31 12:00:00\n"
    run("limits", "unpark", "openai")
    assert "stays" not in run("limits", "park", "openai", *shorter).out


def test_park_for_no_time_says_that_it_does_nothing(run: Run) -> None:
    run("limits", "set", "openai", "--rate", "1/d")
    assert run("limits", "park", "openai", "--for", "0").out == "openai is not parked: that time has passed\n"
    assert run("limits", "park", "openai", "--for", "0", "--json").lines == [{"key": "openai", "parked_until": None}]


def test_enqueue_takes_limits_a_fair_key_and_a_cost_and_job_shows_them(run: Run, look: Look) -> None:
    run("limits", "set", "openai", "--rate", "5/d")
    run("limits", "set", "tenant", "--rate", "5/d")
    (printed,) = run(
        "enqueue", "send", '{"to": 7}', "--limit", "openai", "--limit", "tenant:{to}", "--fair", "t:{to}", "--cost", 5, "--json"
    ).lines
    row = look.job(printed["id"])
    assert (row["limits"], row["cost"]) == (["openai", "t:7", "tenant:7"], 5)
    shown = [line.split(maxsplit=1) for line in run("job", printed["id"]).out.splitlines()]
    assert ["limits", "openai, t:7, tenant:7"] in [[word.strip() for word in line] for line in shown]
    assert ["cost", "5"] in [[word.strip() for word in line] for line in shown]
    (as_json,) = run("job", printed["id"], "--json").lines
    assert (as_json["limits"], as_json["cost"]) == (["openai", "t:7", "tenant:7"], 5)


def test_a_job_that_is_ready_says_which_limits_it_waits_for(run: Run, look: Look, connection: psycopg.Connection[Any]) -> None:
    for name in ("free", "rate", "starts", "off"):
        run("limits", "set", name, "--rate", "4/d", "--burst", 4, "--max-running", 2)
    run("limits", "set", "starts", "--counts", "starts")
    run("limits", "set", "off", "--rate", "1/d", "--burst", 1, "--disable")
    run("limits", "set", "queue:default", "--max-running", 1)
    keys = ("--limit", "free", "--limit", "rate", "--limit", "starts", "--limit", "off", "--fair", "turn")
    (printed,) = run("enqueue", "send", "--cost", 2, *keys, "--json").lines
    ManualWorker(connection)
    assert run("job", printed["id"]).out.splitlines()[1].startswith("next: ")
    look.value(
        "insert into bucket (key, tokens, refilled_at) select key, 1, clock_timestamp() + interval '1 h' "
        "from unnest('{rate,starts,off}'::text[]) key returning key"
    )
    assert "limit_tokens: key 'rate' has 1 of the 2 tokens it needs; it has enough at 2" in run("job", printed["id"]).out
    run("limits", "park", "rate", "--until", "2999-01-31T12:00")
    run("limits", "set", "free", "--max-running", 1)
    (running,) = run("enqueue", "send", "--limit", "free", "--json").lines
    assert [job["id"] for job in ManualWorker(connection).claim()] == [running["id"]]
    assert f"limit_places: all places of key 'free' are taken (1 of 1), by job {running['id']}" in run("job", printed["id"]).out
    (explained,) = run("explain", printed["id"], "--json").lines
    assert [(cause["cause"], cause["details"]["key"]) for cause in explained["causes"]] == [
        ("limit_places", "free"),
        ("limit_places", "queue:default"),
        ("limit_parked", "rate"),
    ]
    assert "limit_" not in run("job", running["id"]).out


def test_a_job_without_limits_shows_none(run: Run) -> None:
    (printed,) = run("enqueue", "send", "--json").lines
    ran = run("job", printed["id"])
    assert "limits" not in ran.out
    assert "cost" not in ran.out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("limits", "set", "a b", "--rate", "1/s"), "name: 'a b'"),
        (("limits", "set", "openai", "--rate", "1/w"), "rate: '1/w'"),
        (("limits", "set", "openai", "--rate", "-1/s"), "rate: '-1/s'"),
        (("limits", "set", "openai", "--rate", "5"), "rate: '5'"),
        (("limits", "set", "openai", "--burst", "0"), "burst: 0.0"),
        (("limits", "set", "openai", "--max-running", "-1"), "max_running: -1"),
        (("limits", "set", "openai", "--counts", "jobs"), "counts: 'jobs'"),
        (("limits", "set", "openai", "--weight", "0"), "weight: 0"),
        (("limits", "set", "openai", "--burst", "5", "--max-running", "2"), "burst: '5' is not valid; it belongs to a rate"),
        (("limits", "--schema", "other", "delete", "openai"), "options: put them after the command"),
        (("limits", "--json", "get", "openai"), "options: put them after the command"),
        (("limits", "--wide", "get", "openai"), "options: put them after the command"),
        (("limits", "--columns", "key", "get", "openai"), "options: put them after the command"),
        (("limits", "get", "gone"), "key: 'gone' is not valid; there is no such limit; there are: none"),
        (("limits", "reset", "gone"), "key: 'gone'"),
        (("limits", "delete", "gone"), "name: 'gone'"),
        (("limits", "park", "gone", "--for", "5s"), "key: 'gone'"),
        (("limits", "park", "gone", "--for", "5x"), "for: '5x'"),
        (("limits", "park", "gone", "--for", "-5s"), "for: '-5s' is not valid; use seconds or a number"),
        (("limits", "park", "gone", "--until", "soon"), "until: 'soon'"),
        (("limits", "park", "gone"), "until: give either --until or --for"),
        (("limits", "park", "gone", "--for", "5", "--until", "2999-01-01"), "until: give either --until or --for"),
        (("limits", "unpark", "gone"), "key: 'gone'"),
        (("enqueue", "send", "--limit", "gone"), "limits: 'gone'"),
        (("enqueue", "send", "--limit", "a b"), "limits: 'a b'"),
        (("enqueue", "send", "--fair", "t:{to}"), "fair: 't:{to}'"),
        (("enqueue", "send", "--cost", "0"), "cost: 0"),
        (("enqueue", "send", "--cost", "100000000000"), "cost: 100000000000"),
        (("enqueue", "send", "--cost", "5"), "cost: '5' is not valid; it is taken of limits"),
    ],
)
def test_bad_input_is_named_in_one_line(run: Run, look: Look, arguments: tuple[str, ...], named: str) -> None:
    ran = run(*arguments)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert named in ran.err
    assert look.live() == look.value("select count(*) from limit_def") == 0
