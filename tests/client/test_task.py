"""Registering functions and binding the arguments of their calls."""

from typing import Any

import pytest

from pgqueue import JobContext, PgQueue, PgQueueError, Retry
from pgqueue.errors import ConfigurationError, InvalidArgument, UnknownTask

URL = "postgresql://nobody@localhost:1/nothing"


@pytest.fixture
def local() -> PgQueue:
    """An app that never connects."""
    return PgQueue(URL)


def test_a_task_is_called_like_the_function_it_was(local: PgQueue) -> None:
    @local.task
    def add(a: int, b: int) -> int:
        """Adds."""
        return a + b

    assert add(2, b=3) == 5
    assert add.__doc__ == "Adds."
    assert repr(add) == "Task('add')"


async def test_an_async_task_is_called_like_the_function_it_was(local: PgQueue) -> None:
    @local.task
    async def add(a: int, b: int) -> int:
        return a + b

    assert await add(2, 3) == 5


def test_a_task_takes_the_name_of_its_function_or_the_one_given(local: PgQueue) -> None:
    @local.task
    def one() -> None: ...

    @local.task(name="second")
    def two() -> None: ...

    assert sorted(local.tasks) == ["one", "second"]
    assert local.registered("second").function is two.function


def test_two_apps_know_nothing_of_each_other(local: PgQueue) -> None:
    @local.task
    def one() -> None: ...

    assert PgQueue(URL).tasks == {}


def test_a_name_is_registered_once(local: PgQueue) -> None:
    @local.task(name="twice")
    def one() -> None: ...

    with pytest.raises(ConfigurationError, match="'twice' is already registered"):

        @local.task(name="twice")
        def two() -> None: ...


def test_a_task_that_is_not_registered_is_named_with_those_that_are(local: PgQueue) -> None:
    @local.task
    def known() -> None: ...

    with pytest.raises(UnknownTask, match=r"'unknown' is not registered; there are: known"):
        local.registered("unknown")


@pytest.mark.parametrize("source", ["lambda *args: 0", "lambda **kwargs: 0", "lambda a, /: 0"])
def test_parameters_that_cannot_be_stored_by_name_are_refused(local: PgQueue, source: str) -> None:
    with pytest.raises(ConfigurationError, match="arguments are stored by name"):
        local.task(name="bad")(eval(source))


def test_options_of_the_decorator_are_those_of_its_jobs(local: PgQueue) -> None:
    @local.task(queue="mail", priority="high", retry=7, result_ttl=60)
    def send() -> None: ...

    assert (send.options.queue, send.options.priority) == ("mail", 50)
    assert send.options.retry == Retry(7)
    assert send.options.result_ttl is not None
    assert send.options.result_ttl.total_seconds() == 60


def test_the_result_ttl_of_the_app_is_that_of_its_tasks_unless_they_say_otherwise() -> None:
    app = PgQueue(URL, result_ttl=30)

    @app.task
    def ordinary() -> None: ...

    @app.task(result_ttl=60)
    def special() -> None: ...

    ttls = [task.options.result_ttl for task in (ordinary, special)]
    assert [ttl and ttl.total_seconds() for ttl in ttls] == [30, 60]


def test_the_queues_of_an_app_are_those_its_tasks_name(local: PgQueue) -> None:
    assert local.queues == ["default"]
    for queue in ("mail", "reports", "mail"):
        local.task(name=f"{queue}{len(local.tasks)}", queue=queue)(lambda: None)
    assert local.queues == ["mail", "reports"]


def _send(to: int, subject: str = "", *, urgent: bool = False) -> None: ...


@pytest.mark.parametrize(
    ("args", "kwargs", "bound"),
    [
        ((1,), {}, {"to": 1}),
        ((1, "hello"), {"urgent": True}, {"to": 1, "subject": "hello", "urgent": True}),
        ((), {"subject": "hello", "to": 1}, {"to": 1, "subject": "hello"}),
    ],
)
def test_arguments_are_stored_by_name(local: PgQueue, args: Any, kwargs: Any, bound: dict[str, Any]) -> None:
    assert local.task(_send).parameters.bind(args, kwargs) == bound


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((), {}, "misses 'to'"),
        ((), {"urgent": True}, "misses 'to'"),
        ((1, "s", True), {}, "takes 2 positional arguments, 3 were given"),
        ((1,), {"to": 2}, "got 'to' twice"),
        ((1,), {"cc": 2}, "has no argument 'cc'; it takes 'subject', 'to', 'urgent'"),
    ],
)
def test_arguments_that_do_not_fit_are_named_when_enqueued(local: PgQueue, args: Any, kwargs: Any, message: str) -> None:
    with pytest.raises(InvalidArgument, match=f"task '_send' {message}"):
        local.task(_send).enqueue(*args, **kwargs)


def test_a_task_without_arguments_says_that_it_takes_none(local: PgQueue) -> None:
    with pytest.raises(InvalidArgument, match="it takes none"):
        local.task(name="nothing")(lambda: None).parameters.bind((), {"a": 1})


def test_a_refused_argument_is_a_value_error_and_one_of_ours(local: PgQueue) -> None:
    with pytest.raises(InvalidArgument) as caught:
        local.task(_send).enqueue()  # type: ignore[call-arg]
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, PgQueueError)


def test_the_context_is_found_by_its_annotation_and_is_no_argument(local: PgQueue) -> None:
    @local.task
    def handler(where: JobContext, what: int) -> None: ...

    assert handler.parameters.context_name == "where"
    assert handler.parameters.bind((1,), {}) == {"what": 1}
    with pytest.raises(InvalidArgument, match="has no argument 'where'"):
        handler.parameters.bind((1,), {"where": 2})


def test_an_annotation_that_cannot_be_resolved_hides_no_other(local: PgQueue) -> None:
    def handler(what: "NotThere", ctx: JobContext) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    assert local.task(handler).parameters.context_name == "ctx"


@pytest.mark.parametrize("value", [{1, 2}, object(), float("nan"), float("inf"), b"bytes"])
def test_an_argument_that_json_cannot_hold_is_refused_by_the_task_s_name(local: PgQueue, value: object) -> None:
    task = local.task(name="store")(lambda value: None)
    with pytest.raises(InvalidArgument, match=r"^args: task 'store' cannot take value\.deep\.0 = .*: JSON has no "):
        task.enqueue({"deep": [value]})
    with pytest.raises(InvalidArgument, match=r"^args: task 'store' cannot take 1\.value = .*: JSON has no "):
        task.enqueue_many([(1,), (value,)])


@pytest.mark.parametrize("version", [1, 2, 9999, "2026-12", "v2.1", "x" * 32])
def test_a_version_is_part_of_the_stored_name(version: int | str) -> None:
    local = PgQueue("postgresql://nowhere")
    task = local.task(name="send", version=version)(lambda: None)
    assert (task.name, local.registered(f"send@{version}")) == (f"send@{version}", task)


def test_an_app_may_register_several_versions() -> None:
    local = PgQueue("postgresql://nowhere")
    for version in (None, 1, 2):
        local.task(name="send", version=version)(lambda: None)
    assert list(local.tasks) == ["send", "send@1", "send@2"]
    with pytest.raises(ConfigurationError, match="'send@2' is already registered"):
        local.task(name="send", version=2)(lambda: None)


@pytest.mark.parametrize("version", [0, 10_000, -1, True, 1.5, "", "two words", "a@b", "x" * 33, "-x", "é"])
def test_another_version_is_refused(version: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"^version: .* is not valid; use 1 to 9999, or a word"):
        PgQueue("postgresql://nowhere").task(name="send", version=version)(lambda: None)


def test_a_name_cannot_look_like_a_version() -> None:
    with pytest.raises(InvalidArgument, match=r"'send@2' is not valid; use a name without @; version= gives it a version"):
        PgQueue("postgresql://nowhere").task(name="send@2")(lambda: None)


def test_versions_share_their_limit_and_their_schedule() -> None:
    local = PgQueue("postgresql://nowhere")
    for version in (1, 2):
        local.task(name="send", version=version, rate_limit="5/s")(lambda: None)
    local.task(name="daily", version=2, cron="0 0 * * *")(lambda: None)
    assert list(local.limits.declared) == ["task:send"]
    assert list(local.schedules.declared) == ["daily"]
