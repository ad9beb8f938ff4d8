"""Limits that code declares: by the app, by tasks, by what is enqueued."""

from typing import Any

import pytest

from pgqueue import InvalidArgument, Limit, PgQueue, Task
from pgqueue.errors import ConfigurationError

OPENAI = Limit("openai", "60/m", burst=10)


def test_an_app_declares_limits_in_its_arguments_and_later() -> None:
    app = PgQueue(limits=[OPENAI])
    app.limits.declare(Limit("tenant", max_running=2))
    assert app.limits.declared == {"openai": OPENAI, "tenant": Limit("tenant", max_running=2)}


def test_the_same_declaration_twice_is_one_whatever_its_spelling(app: PgQueue) -> None:
    app.limits.declare(OPENAI)
    app.limits.declare(Limit("openai", rate=60, per="60s", burst=10))
    assert list(app.limits.declared) == ["openai"]


def test_two_declarations_that_differ_are_refused(app: PgQueue) -> None:
    app.limits.declare(OPENAI)
    with pytest.raises(
        ConfigurationError, match=r"^limit 'openai': it is declared as .*burst=10.* and as .*burst=11.*; declare it once"
    ):
        app.limits.declare(Limit("openai", "60/m", burst=11))
    assert app.limits.declared["openai"] is OPENAI


def test_what_is_no_limit_is_refused(app: PgQueue) -> None:
    with pytest.raises(InvalidArgument, match=r"^limit: 'openai' is not valid; use a Limit"):
        app.limits.declare("openai")  # type: ignore[arg-type]


def test_a_task_with_a_rate_or_a_number_of_places_has_a_limit_of_its_own(app: PgQueue) -> None:
    both = app.task(rate_limit="100/m", max_running=3, name="both")(lambda: None)
    places = app.task(max_running=1, name="a long name: with anything")(lambda: None)
    assert app.limits.declared == {
        "task:both": Limit("task:both", "100/m", max_running=3),
        "task:a long name: with anything": Limit("task:a long name: with anything", max_running=1),
    }
    assert both.options.keys == ("task:both",)
    assert places.options.keys == ("task:a long name: with anything",)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (["openai"], "limit: 'openai' is not valid; use a Limit"),
        ({"openai": 1}, "limit: 'openai' is not valid; use a Limit"),
        (OPENAI, r"limits: Limit\(.*\) is not valid; use a list of Limit"),
        ("openai", "limits: 'openai' is not valid; use a list of Limit"),
        (5, "limits: 5 is not valid; use a list of Limit"),
    ],
)
def test_what_an_app_is_given_must_be_a_list_of_limits(limits: Any, message: str) -> None:
    with pytest.raises(InvalidArgument, match=f"^{message}"):
        PgQueue(limits=limits)


def test_a_limit_among_those_of_a_task_declares_itself(app: PgQueue) -> None:
    limits: list[str | Limit] = ["tenant:{to}", OPENAI]
    task = app.task(limits=iter(limits))(_to)
    assert task.options.limits == ("tenant:{to}", "openai")
    assert app.limits.declared == {"openai": OPENAI}


def test_a_limit_among_those_of_a_call_must_be_declared_for_no_worker_sees_it_there(app: PgQueue) -> None:
    task = app.task(_to)
    with pytest.raises(ConfigurationError, match=r"^limit 'openai': .*; declare it by PgQueue\(limits=\[…\]\) or in"):
        task.using(limits=[OPENAI])
    assert app.limits.declared == {}
    app.limits.declare(OPENAI)
    assert task.using(limits=iter([OPENAI])).options.limits == ("openai",)
    with pytest.raises(ConfigurationError, match=r"^limit 'openai': it is declared as .*burst=10.* and as .*burst=11"):
        task.using(limits=[Limit("openai", "60/m", burst=11)])


def test_nothing_is_declared_once_a_worker_has_started_but_what_is_there_already(app: PgQueue) -> None:
    task = app.task(limits=[OPENAI])(_to)
    app.freeze()
    task.using(limits=[OPENAI])
    with pytest.raises(ConfigurationError, match=r"^limit 'late': a worker of this app has started"):
        app.limits.declare(Limit("late", "1/s"))
    assert set(app.limits.declared) == {"openai"}


def test_a_task_that_is_refused_leaves_no_limit_behind(app: PgQueue) -> None:
    app.task(name="twice")(lambda: None)
    with pytest.raises(ConfigurationError, match="is already registered"):
        app.task(name="twice", rate_limit="1/s", limits=[OPENAI])(lambda: None)
    with pytest.raises(ConfigurationError, match="'nobody'"):
        app.task(name="other", rate_limit="1/s", limits=["tenant:{nobody}"])(lambda: None)
    assert app.limits.declared == {}
    assert set(app.tasks) == {"twice"}


@pytest.mark.parametrize("rate", [0, 5, "0/m", "-1/s", "100", "fast", True, "1/w", "1/0s", ""])
def test_a_rate_of_a_task_that_makes_no_sense_is_refused_under_its_name(app: PgQueue, rate: str) -> None:
    with pytest.raises(InvalidArgument, match=r"^rate_limit: .* is not valid; "):
        app.task(rate_limit=rate, name="task")(lambda: None)


def test_places_of_a_task_that_make_no_sense_are_refused(app: PgQueue) -> None:
    with pytest.raises(InvalidArgument, match=r"^max_running: 0 is not valid; use a whole number of 1 or more"):
        app.task(max_running=0, name="translate")(lambda: None)


@pytest.mark.parametrize("option", ["limits", "fair"])
def test_a_key_that_names_an_argument_which_the_task_does_not_have_is_refused_at_declaration(app: PgQueue, option: str) -> None:
    key = "tenant:{tenant}:{to}"
    given = {option: [key] if option == "limits" else key}
    message = rf"^{option}: 'tenant:\{{tenant\}}:\{{to\}}' names 'tenant', which task '_to' does not have; it has 'number', 'to'"
    with pytest.raises(ConfigurationError, match=message):
        app.task(**given)(_to)  # type: ignore[call-overload]
    with pytest.raises(InvalidArgument, match=message):
        app.task(_to).using(**given)  # type: ignore[arg-type]


def test_the_context_and_what_is_injected_are_no_arguments(app: PgQueue) -> None:
    from pgqueue import JobContext

    def handler(ctx: JobContext, to: str) -> None: ...

    with pytest.raises(ConfigurationError, match="names 'ctx'"):
        app.task(limits=["a:{ctx}"])(handler)


@pytest.mark.parametrize("key", ["tenant:{to", "tenant:to}", "tenant:{{to}}", "tenant:{}"])
def test_half_a_pair_of_braces_is_no_template(app: PgQueue, key: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^limits: .*(an unmatched brace|names '')"):
        app.task(limits=[key])(_to)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"limits": "openai"}, r"limits: 'openai' is not valid; use a list of keys"),
        ({"limits": OPENAI}, r"limits: Limit.* is not valid; use a list of keys"),
        ({"limits": 5}, r"limits: 5 is not valid; use a list of keys"),
        ({"limits": [5]}, r"limits: 5 is not valid; use a name"),
        ({"limits": ["a b"]}, r"limits: 'a b' is not valid; use a name"),
        ({"limits": ["a:" + "x" * 199]}, r"limits: .* is not valid; use a name"),
        ({"limits": ["nul:\x00"]}, r"limits: .* is not valid; PostgreSQL cannot store NUL"),
        ({"limits": ["queue:mail"]}, r"limits: 'queue:mail' is not valid; the limit of a queue applies to all its jobs"),
        ({"limits": [Limit("queue:mail", "1/s")]}, r"limits: 'queue:mail' is not valid; the limit of a queue"),
        ({"fair": 5}, r"fair: 5 is not valid; use a name"),
        ({"fair": ""}, r"fair: '' is not valid; use a name"),
        *(({"cost": value}, r"cost: .* is not valid; use 1 to 1000000") for value in (0, -1, 1.5, True, "5", 2**31)),
        ({"cost": lambda *args: 1}, r"cost: .* is not valid; use a whole number, or a function"),
        ({"cost": lambda to, /: 1}, r"cost: .* is not valid; use a whole number, or a function"),
        ({"cost": int}, r"cost: .* is not valid; use a whole number, or a function"),
        ({"cost": lambda nobody: 1}, r"cost: its function takes 'nobody', which task '_to' does not have; it has 'number', 'to'"),
    ],
)
def test_what_no_enqueue_could_take_is_refused_at_once(app: PgQueue, given: dict[str, object], message: str) -> None:
    with pytest.raises((InvalidArgument, ConfigurationError), match=f"^{message}"):
        app.task(name="_to", **given)(_to)  # type: ignore[call-overload]
    task: Task[..., None] = app.tasks.get("_to") or app.task(_to)
    with pytest.raises(InvalidArgument, match=f"^{message}"):
        task.using(**given)  # type: ignore[arg-type]


def _to(to: str, number: int = 1) -> None: ...
