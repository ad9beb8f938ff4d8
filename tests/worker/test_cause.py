"""The innermost cause of a failure: what SQL groups dead letters by."""

from typing import Any

import pytest

from pgqueue import JobContext, PgQueue
from pgqueue.errors import RemoteError
from pgqueue.worker.cause import FRAMES, cause_of
from pgqueue.worker.describe import describe
from tests.looking import Look
from tests.worker import process_jobs
from tests.worker.conftest import burst
from tests.worker.processes import InProcess


def caught(*errors: BaseException, hidden: bool = False) -> BaseException:
    """The last of these errors, each raised while the one before it was handled; by `from None` if they are hidden."""
    *before, last = errors
    try:
        if before:
            try:
                raise caught(*before)
            except BaseException:
                if hidden:
                    raise last from None
                raise last  # noqa: B904 - without a cause, on purpose
        raise last
    except BaseException as error:
        return error


def test_an_exception_without_a_cause_has_none() -> None:
    assert cause_of(caught(ValueError("a"))) is None
    assert "cause" not in describe(caught(ValueError("a")))


def test_it_is_the_first_one_of_a_chain() -> None:
    cause = cause_of(caught(KeyError("a"), OSError("b"), ValueError("c")))

    assert cause is not None
    assert (cause["type"], cause["message"]) == ("KeyError", "'a'")
    assert f'  File "{__file__}", line 0, in caught\n' in cause["frames"]


def test_what_is_hidden_is_none() -> None:
    assert cause_of(caught(KeyError("a"), ValueError("c"), hidden=True)) is None


def test_of_a_group_it_is_that_of_its_first_exception() -> None:
    cause = cause_of(caught(BaseExceptionGroup("several", [caught(KeyError("a"), OSError("b")), ValueError("c")])))

    assert cause is not None
    assert cause["type"] == "KeyError"


def test_a_circle_ends() -> None:
    first, second = ValueError("a"), KeyError("b")
    first.__cause__, second.__cause__ = second, first

    assert cause_of(first) is None


def test_a_class_whose_properties_raise_is_described_without() -> None:
    class Odd(Exception):
        @property
        def __cause__(self) -> BaseException:  # type: ignore[override]
            raise SystemExit

    assert cause_of(Odd()) is None


def test_a_function_that_calls_itself_counts_once_and_the_newest_frames_are_kept() -> None:
    def deep(n: int) -> None:
        if n == 0:
            raise KeyError(n)
        deep(n - 1)

    calls: dict[str, Any] = {"f0": lambda: deep(200)}
    for n in range(1, 41):
        exec(f"def f{n}(): f{n - 1}()", calls)
    try:
        calls["f40"]()
    except KeyError as error:
        cause = cause_of(caught(error, ValueError()))

    assert cause is not None
    names = [line.rpartition(" ")[2] for line in cause["frames"].splitlines()]
    assert names == [*(f"f{n}" for n in range(FRAMES - 2, 0, -1)), "<lambda>", "deep"]


def test_an_exception_of_a_process_has_the_cause_that_was_found_there() -> None:
    there: Any = {"type": "OSError", "message": "m", "frames": "f"}

    assert describe(RemoteError("E", [], "m", None, there))["cause"] == there
    assert cause_of(caught(RemoteError("E", [], "m", None, there), ValueError())) == there
    plain = cause_of(caught(RemoteError("E", [], "m", "trace"), ValueError()))
    assert plain == {"type": "E", "message": "m", "frames": "trace"}


@pytest.mark.parametrize("executor", ["async", "thread"])
async def test_failures_with_one_cause_are_one_group_whatever_the_worker_calls_and_others_are_not(
    async_app: PgQueue, look: Look, executor: str
) -> None:
    def connect(host: str) -> None:
        raise ConnectionRefusedError(f"{host} refused")

    def send(host: str) -> None:
        try:
            connect(host)
        except OSError as error:
            raise RuntimeError(f"mail to {host} was not sent") from error

    if executor == "async":

        @async_app.task(retry=0)
        async def mail(ctx: JobContext, host: str) -> None:
            send(host)

    else:

        @async_app.task(retry=0)
        def mail(ctx: JobContext, host: str) -> None:
            send(host)

    for host in ("10.0.0.1", "10.0.0.2", "'mx'"):
        mail.enqueue(host)
    await burst(async_app)

    (group,) = await async_app.adead_groups()
    assert (group.jobs, group.error_type) == (3, "RuntimeError")
    assert look.value("select errors->0->'cause'->>'type' from dead_letter limit 1") == "ConnectionRefusedError"


async def test_a_cause_comes_out_of_a_process(async_app: PgQueue, look: Look, in_process: InProcess) -> None:
    in_process(async_app, process_jobs.fail_because, retry=0).enqueue()
    await burst(async_app)

    assert look.value("select errors->0->'cause'->>'type' from dead_letter") == "KeyError"
