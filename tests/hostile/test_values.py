"""FAULTS 60: values at the ends of their types arrive as they were sent, or are refused by name; no list fails over one row."""

import json
import math
import sys
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from pgqueue import JobContext, Limit, PgQueue, chain, group
from pgqueue.errors import InvalidArgument, PgQueueError, ResultUnreadable
from tests.looking import Look
from tests.worker.conftest import burst

from .conftest import DEEP, UNSTORABLE, Run, named

NUMBERS: list[Any] = [
    2**53 + 1,
    2**63,
    2**64,
    2**64 + 1,
    -(2**64) - 1,
    10**400,
    -(10**4299),
    5e-324,
    sys.float_info.min,
    1e16,
    1e22,
    sys.float_info.max,
    -sys.float_info.max,
    0.1,
    3.0,
    3,
    True,
]
VALUES = {"numbers": NUMBERS, "texts": ["", " ", "1e22", '"', "\\u0000", "\ufffd", "\U0001f600"], "": {"": [None, {}, []]}}


def alike(sent: Any, arrived: Any) -> bool:
    """1 is not 1.0 here, nor True; jsonb has an order of its own for keys."""
    return json.dumps(sent, sort_keys=True) == json.dumps(arrived, sort_keys=True)


async def test_arguments_meta_results_and_those_of_parents_are_what_they_were(app: PgQueue, look: Look) -> None:
    got: dict[str, Any] = {}

    @app.task
    def give(ctx: JobContext, value: Any) -> Any:
        got["args"], got["ctx.args"], got["meta"] = value, ctx.args["value"], ctx.meta
        return value

    @app.task
    async def take(ctx: JobContext, value: Any) -> Any:
        got["taken"], got["parent"] = value, next(iter(ctx.parents.values())).result
        return value

    each = app.task(name="each")(_give)
    flow = chain(give.using(meta=VALUES).s(VALUES), take.s()).enqueue()
    many = group(each.s(number) for number in NUMBERS).enqueue()
    await burst(app)
    assert await flow.aresult(timeout=0) == VALUES
    got["result"] = await flow.aresult(timeout=0)
    assert {where: alike(value, VALUES) for where, value in got.items()} == dict.fromkeys(
        ("args", "ctx.args", "meta", "taken", "parent", "result"), True
    )
    results = await many.aresult(timeout=0)
    assert all(map(alike, results, NUMBERS))
    await app.aclose()


async def test_python_and_the_command_line_show_numbers_as_they_are_stored(app: PgQueue, look: Look, run: Run) -> None:
    task = app.task(name="give")(_give)
    job = task.using(meta={"n": NUMBERS}).enqueue(NUMBERS)
    await burst(app)
    row = app.job(job.id).row
    assert alike(row["args"], {"value": NUMBERS})
    assert alike(row["meta"], {"n": NUMBERS})
    assert job.refresh().status == "succeeded"
    assert alike(job.result(timeout=0), NUMBERS)
    (shown,) = run("job", str(job.id), "--json").lines
    assert alike(shown["result"], NUMBERS)
    assert alike(shown["args"], {"value": NUMBERS})
    assert alike(shown["meta"], {"n": NUMBERS})
    (listed,) = run("jobs", "--json").lines
    assert alike(listed["args"], {"value": NUMBERS})
    for command in (("jobs",), ("job", str(job.id)), ("stats",)):
        assert run(*command).code == 0
    await app.aclose()


def _give(value: Any) -> Any:
    return value


async def test_what_sql_stores_and_python_cannot_read_fails_nobody_else(app: PgQueue, look: Look, run: Run) -> None:
    """Results, arguments and meta that are nested too deep or have too many digits: lists work, and asking for one says why."""
    named(app, "take")
    worker, token = uuid.uuid4(), uuid.uuid4()
    look.value("select register_worker(%s, 'w', 'h', 1, '0', '{default}', 9, '30 s')", worker)
    unreadable = ["9" * 4301, DEEP, f'{{"a": {"9" * 9000}}}']
    ids = [
        look.value("select enqueue('take', jsonb_build_object('text', %s::jsonb), meta => %s::jsonb)", v, v) for v in unreadable
    ]
    look.rows("select id from claim(%s, %s, '{default}', 9)", worker, token)
    for id, value in zip(ids, unreadable, strict=True):
        outcome = f'[{{"id": {id}, "token": "{token}", "state": "succeeded", "elapsed": 0, "result": {value}}}]'
        look.rows("select job_id from finish(%s::jsonb)", outcome)
    fine = named(app, "other").enqueue(1)
    for id, value in zip(ids, unreadable, strict=True):
        job = app.job(id)
        assert job.refresh().status == "succeeded"
        assert job.has_result()
        assert job.row["meta"].replace(" ", "") == value.replace(" ", "")
        with pytest.raises(ResultUnreadable, match=f"the result of job {id} is stored, but Python cannot read it"):
            job.result(timeout=0)
        for command in (("job", str(id)), ("job", str(id), "--json")):
            assert run(*command).code == 0
    assert len(run("jobs", "--json").lines) == 4
    assert run("jobs").code == 0
    assert fine.status == "ready"
    await app.aclose()


async def test_progress_is_told_as_it_is_or_refused(app: PgQueue, look: Look) -> None:
    refused: dict[str, str] = {}
    bad: dict[str, tuple[Any, ...]] = {
        "done: 9007199254740993": (2**53 + 1,),
        "done: a long integer": (10**5000,),
        "done: 1000": (10**400,),
        "done: nan": (math.nan,),
        "done: inf": (math.inf,),
        "done: '-1'": (-1,),
        "done: 'x'": ("x",),
        "done: None": (None,),
        "total: 9007199254740993": (1, 2**53 + 1),
        "total: nan": (1, math.nan),
        "done: Decimal": (Decimal("0.1"),),
        "note: 5": (1, 2, 5),
    }

    @app.task(retry=0)
    async def tell(ctx: JobContext) -> Any:
        for name, arguments in bad.items():
            try:
                await ctx.aprogress(*arguments)
            except InvalidArgument as error:
                refused[name] = str(error)
            ctx._told_at = 0
        told = []
        for done, total, note in ((2**53, 2.0**60, ""), (5e-324, 1e308, "\\u0000"), (0, None, None)):
            ctx._told_at = 0
            await ctx.aprogress(done, total, note)
            row = (await app.job(ctx.id).arefresh()).progress
            assert row is not None
            told.append((row["done"] == done, row["total"] == total, row["note"] == note))
        return told

    job = tell.enqueue()
    await burst(app)
    assert await job.aresult(timeout=0) == [[True] * 3] * 3
    assert {name: refused.get(name, "")[: len(name.strip())] for name in bad} == {name: name.strip() for name in bad}
    await app.aclose()


def test_names_are_what_they_were_or_are_refused(app: PgQueue, look: Look) -> None:
    task = named(app, "fine")
    texts = {**UNSTORABLE, "empty": ""}
    attempts: dict[str, Callable[[str], object]] = {
        "task": lambda text: named(app, text).enqueue(),
        "queue": lambda text: task.using(queue=text).enqueue(),
        "unique": lambda text: task.using(unique=_unique(text)).enqueue(),
        "limits": lambda text: task.using(limits=[text]).enqueue(),
        "fair": lambda text: task.using(fair=text).enqueue(),
        "limit": lambda text: Limit(text, rate="1/s"),
        "workflow": lambda text: _workflow(app, text, "node"),
        "node": lambda text: _workflow(app, "flow", text),
    }
    accepted = []
    for field, attempt in attempts.items():
        for name, text in texts.items():
            with suppress(PgQueueError):
                attempt(text)
                accepted.append((field, name))
    assert accepted in ([], [("workflow", "empty")], [("unique", "empty"), ("workflow", "empty")])


def _unique(text: str) -> Any:
    from pgqueue import Unique

    return Unique("until_done", key=text)


def _workflow(app: PgQueue, name: str, node: str) -> None:
    flow = app.workflow(name)
    flow.add(app.tasks["fine"].s(), name=node)
    flow.enqueue()


TIMES: dict[str, Callable[[Any], object]] = {
    "run_at first": lambda task: task.using(run_at=datetime.min.replace(tzinfo=UTC)).enqueue(),
    "run_at last": lambda task: task.using(run_at=datetime.max.replace(tzinfo=UTC)).enqueue(),
    "run_after last": lambda task: task.using(run_after=timedelta.max).enqueue(),
    "run_after first": lambda task: task.using(run_after=timedelta.min).enqueue(),
    "run_after beyond": lambda task: task.using(run_after=1e11).enqueue(),
    "result_ttl last": lambda task: task.using(result_ttl=timedelta.max).enqueue(),
    "result_ttl beyond": lambda task: task.using(result_ttl=1e11).enqueue(),
    "unique period": lambda task: task.using(unique=_period(timedelta.max)).enqueue(),
    "update": lambda task: task.enqueue().update(run_at=datetime.max.replace(tzinfo=UTC)),
    "update after": lambda task: task.enqueue().update(run_after=timedelta.max),
    "retry": lambda task: task.using(retry=_retry(1e300)).enqueue(),
}


def _period(period: Any) -> Any:
    from pgqueue import Unique

    return Unique("period", period=period)


def _retry(delay: float) -> Any:
    from pgqueue import Retry

    return Retry(3, delay=delay, cap=1e301)


@pytest.mark.parametrize("attempt", TIMES.values(), ids=TIMES.keys())
async def test_times_are_what_they_were_or_are_refused_and_every_list_works(
    app: PgQueue, look: Look, run: Run, attempt: Callable[[Any], object]
) -> None:
    task = named(app, "fine")
    refusal = ""
    try:
        attempt(task)
    except InvalidArgument as error:
        refusal = str(error)
    assert refusal.partition(":")[0] in ("", "run_at", "run_after", "result_ttl", "unique_period", "retry.delay")
    await burst(app)
    for command in (("jobs",), ("jobs", "--json"), ("stats",), ("dead",)):
        assert run(*command).code == 0
    for (id,) in look.connection.execute("select id from jobs").fetchall():
        assert app.job(id).row["run_at"] is not None
        assert run("job", str(id)).code == 0
    await app.aclose()


@pytest.mark.parametrize(
    "value",
    ["'infinity'", "'-infinity'", "'10000-01-01'", "'0044-03-15 BC'", "'294276-12-31'"],
    ids=lambda value: value.strip("'"),
)
def test_sql_refuses_times_that_python_cannot_read(look: Look, value: str) -> None:
    with pytest.raises(psycopg.Error, match=r"^run_at: "):
        look.value(f"select enqueue('fine', run_at => {value})")
    for statement in ("run_after => '10000 years'", "run_after => '-10000 years'", "result_ttl => '200000 years'"):
        with pytest.raises(psycopg.Error, match=f"^{statement.partition(' ')[0]}: "):
            look.value(f"select enqueue('fine', {statement})")
    assert look.live() == 0


def test_a_key_that_stands_twice_in_arguments_of_the_command_line_is_refused(look: Look, run: Run) -> None:
    for text in ('{"a": 1, "a": 2}', '{"a": [{"b": {"c": 1, "d": 2, "c": 3}}]}'):
        ran = run("enqueue", "fine", text)
        assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
        assert ran.err.startswith("pgqueue: args: ")
        assert "twice" in ran.err
    assert look.live() == 0
    assert run("enqueue", "fine", '{"a": {"a": 1}, "b": 1e22}').code == 0
