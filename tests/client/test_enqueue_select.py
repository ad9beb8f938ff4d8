"""enqueue_select: a job for each row of a query, without its rows passing through Python."""

import psycopg
import pytest

from pgqueue import PgQueue, Task
from pgqueue.errors import InvalidArgument
from tests.looking import Look


@pytest.fixture
def greet(app: PgQueue) -> Task[[int, str], None]:
    """A task with a required argument and one with a default."""

    @app.task
    def greet(user_id: int, plan: str = "free") -> None: ...

    return greet


def test_each_row_is_a_job_and_each_column_an_argument(greet: Task[[int, str], None], look: Look) -> None:
    query = "select n as user_id, 'pro' as plan from generate_series(1, %(last)s) n"
    assert greet.using(queue="mail", priority=5).enqueue_select(query, {"last": 3}) == 3
    rows = look.rows("select args, queue, priority, task from job order by id")
    assert [row.pop("args") for row in rows] == [{"user_id": n, "plan": "pro"} for n in (1, 2, 3)]
    assert rows == [{"queue": "mail", "priority": 5, "task": "greet"}] * 3


def test_more_rows_than_one_batch_are_added_in_their_order(greet: Task[[int, str], None], look: Look) -> None:
    assert greet.enqueue_select("select n as user_id from generate_series(1, 25000) n") == 25_000
    rows = look.rows("select (args->>'user_id')::int as user_id from job order by run_at, id")
    assert [row["user_id"] for row in rows] == list(range(1, 25_001))


async def test_async_code_does_it_too(async_app: PgQueue, greet: Task[[int, str], None], look: Look) -> None:
    assert await greet.aenqueue_select("select 7 as user_id") == 1
    assert look.live() == 1


def test_the_query_sees_the_caller_s_transaction_and_vanishes_with_it(
    greet: Task[[int, str], None], database_url: str, look: Look
) -> None:
    with psycopg.connect(database_url) as theirs:
        theirs.execute("create table public.users (id int)")
        theirs.execute("insert into users values (1), (2)")
        assert greet.enqueue_select("select id as user_id from users", connection=theirs) == 2
        theirs.rollback()
    assert look.live() == 0


def test_a_query_without_rows_adds_nothing(greet: Task[[int, str], None], look: Look) -> None:
    assert greet.enqueue_select("select 1 as user_id where false") == 0


@pytest.mark.parametrize(
    "query", ["select 1 as user_id;", "select 1 as user_id -- the last line", "select '{100%%}' as plan, 1 as user_id"]
)
def test_a_query_may_end_as_queries_do(greet: Task[[int, str], None], look: Look, query: str) -> None:
    assert greet.enqueue_select(query) == 1


def test_duplicates_of_unique_jobs_are_not_added(greet: Task[[int, str], None], look: Look) -> None:
    once = greet.using(unique="until_done")
    once.enqueue_select("select 1 as user_id")
    assert once.enqueue_select("select n as user_id from generate_series(1, 3) n") == 2
    assert look.live() == 3


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("select 1 as id", "query: 'id' is not valid; the task has no such argument"),
        ("select 'pro' as plan", "query: 'user_id' is not valid; it has no such column, and the task needs this argument"),
    ],
)
def test_columns_that_are_not_the_task_s_arguments_are_named(
    greet: Task[[int, str], None], look: Look, query: str, message: str
) -> None:
    with pytest.raises(InvalidArgument, match=message):
        greet.enqueue_select(query)
    assert look.live() == 0


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("selec 1", psycopg.errors.SyntaxError),
        ("select id as user_id from userz", psycopg.errors.UndefinedTable),
        ("select nothing_like_it() as user_id", psycopg.errors.UndefinedFunction),
        ("select id as user_id from shop.users", psycopg.errors.UndefinedTable),
    ],
)
def test_a_mistake_in_the_query_is_the_database_s_to_tell(
    greet: Task[[int, str], None], query: str, error: type[psycopg.Error]
) -> None:
    with pytest.raises(error):
        greet.enqueue_select(query)


@pytest.mark.parametrize(
    "query", ["{} like 'a%'", "{} like '%%%'", "{} like '%% %s'", "{} % %(n)s = 0", "{} = '%(n)b'", "{} = %()s"]
)
@pytest.mark.parametrize("flavour", ["sync", "async"])
async def test_a_lone_percent_sign_is_refused_whatever_the_driver(
    async_app: PgQueue, greet: Task[[int, str], None], look: Look, query: str, flavour: str
) -> None:
    asked = "select 1 as user_id where " + query.format("'abc'")
    with pytest.raises(InvalidArgument, match=r"^query: ['\"]%.* is not valid; write %% for a percent sign, "):
        await greet.aenqueue_select(asked, {"n": 1}) if flavour == "async" else greet.enqueue_select(asked, {"n": 1})
    assert look.live() == 0


def test_a_percent_sign_is_written_twice(greet: Task[[int, str], None], look: Look) -> None:
    query = "select n as user_id from generate_series(1, 3) n where '50%%' like '5%%%%' and n %% %(two)s::int = 0"
    assert greet.enqueue_select(query, {"two": 2}) == 1
