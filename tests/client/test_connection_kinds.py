"""connection=: the job is part of the application's transaction, whichever library it is written with."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psycopg
import pytest

from pgqueue import PgQueue, Task
from pgqueue.errors import InvalidArgument, NotMigrated, PgQueueError
from tests.looking import Look
from tests.waiting import until

from . import kinds, kinds_asyncpg_django, kinds_sqlalchemy
from .kinds import Kind

KINDS: list[type[Any]] = [
    kinds.Psycopg,
    kinds_sqlalchemy.Alchemy,
    kinds_sqlalchemy.AlchemySession,
    kinds_sqlalchemy.AlchemyScoped,
    kinds_asyncpg_django.Django,
    kinds_asyncpg_django.DjangoDefault,
    kinds.AsyncPsycopg,
    kinds_sqlalchemy.AsyncAlchemy,
    kinds_sqlalchemy.AsyncAlchemyPsycopg,
    kinds_sqlalchemy.AsyncAlchemySession,
    kinds_sqlalchemy.AsyncAlchemyScoped,
    kinds_asyncpg_django.Asyncpg,
    kinds_asyncpg_django.AsyncpgPooled,
]


class Rollback(Exception):
    """Leaves a savepoint."""


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def theirs(request: pytest.FixtureRequest, database_url: str, look: Look) -> Iterator[Kind]:
    """A connection as an application has it: in a transaction, pgqueue not on its search_path."""
    look.value("create table public.customer (id int primary key)")
    kind: Kind = request.param(database_url)
    yield kind
    kind.close()


def _committed(look: Look) -> tuple[int, int]:
    return int(look.value("select count(*) from public.customer")), look.live()


def test_a_commit_shows_the_jobs_together_with_the_user_s_row(welcome: Task[[int], str], theirs: Kind, look: Look) -> None:
    theirs.execute("insert into customer values (1)")
    job = theirs.enqueue(welcome, 1)
    more = theirs.enqueue_many(welcome, [(2,), (3,)])
    assert _committed(look) == (0, 0)
    theirs.commit()
    assert _committed(look) == (1, 3)
    rows = look.rows("select id, args from job order by id")
    assert [(row["id"], row["args"]) for row in rows] == [
        (one.id, {"user_id": number}) for number, one in enumerate([job, *more], 1)
    ]


def test_a_rollback_leaves_nothing_and_wakes_nobody(welcome: Task[[int], str], theirs: Kind, look: Look) -> None:
    """FAULTS 25."""
    look.connection.execute(f'listen "{look.value("select channel()")}"')
    theirs.execute("insert into customer values (1)")
    theirs.enqueue(welcome, 1)
    theirs.enqueue_many(welcome, [(1,), (2,)])
    theirs.rollback()
    assert _committed(look) == (0, 0)

    theirs.enqueue(welcome.using(queue="mail"), 1)
    theirs.commit()
    heard = until(lambda: list(look.connection.notifies(timeout=0.1, stop_after=1)), "a wake-up")
    assert [notification.payload for notification in heard] == ["mail"]


def test_a_rollback_to_a_savepoint_leaves_what_was_before_it(welcome: Task[[int], str], theirs: Kind, look: Look) -> None:
    kept = theirs.enqueue(welcome, 1)
    with suppress(Rollback), theirs.savepoint():
        theirs.enqueue(welcome, 2)
        theirs.enqueue_many(welcome, [(3,)])
        raise Rollback
    theirs.commit()
    assert [row["id"] for row in look.rows("select id from job")] == [kept.id]


def test_an_error_of_ours_names_its_cause_and_leaves_the_transaction_to_the_caller(
    welcome: Task[[int], str], theirs: Kind, look: Look
) -> None:
    theirs.execute("insert into customer values (1)")
    with pytest.raises(InvalidArgument, match=r"^priority: '1000' is not valid; use -100 ") as single, theirs.savepoint():
        theirs.enqueue(welcome.using(priority=1000), 1)
    with pytest.raises(InvalidArgument, match=r"^priority: '1000' is not valid; use -100 ") as many, theirs.savepoint():
        theirs.enqueue_many(welcome.using(priority=1000), [(1,)])
    assert isinstance(single.value.__cause__, theirs.error)
    assert isinstance(many.value.__cause__, theirs.error)
    theirs.commit()
    assert _committed(look) == (1, 0)


def test_without_a_savepoint_an_error_of_ours_waits_for_the_caller_s_rollback(
    welcome: Task[[int], str], theirs: Kind, look: Look
) -> None:
    theirs.execute("insert into customer values (1)")
    with pytest.raises(InvalidArgument):
        theirs.enqueue(welcome.using(priority=1000), 1)
    with pytest.raises(theirs.error, match="transaction is aborted"):
        theirs.execute("select 1")
    theirs.rollback()
    theirs.enqueue(welcome, 1)
    theirs.commit()
    assert _committed(look) == (0, 1)


def test_an_error_that_is_none_of_ours_comes_as_the_library_raised_it(welcome: Task[[int], str], theirs: Kind) -> None:
    with pytest.raises(theirs.error):
        theirs.execute("select 1 / 0")
    with pytest.raises(theirs.error, match="transaction is aborted") as refused:
        theirs.enqueue(welcome, 1)
    assert not isinstance(refused.value, PgQueueError)
    assert refused.value.__cause__ is not refused.value


def test_a_text_that_postgresql_cannot_store_is_named(welcome: Task[[int], str], theirs: Kind) -> None:
    with pytest.raises(InvalidArgument, match=r"^meta: .*: '\\x00': PostgreSQL cannot store the character NUL"):
        theirs.enqueue(welcome.using(meta="\x00"), 1)


def test_a_schema_without_pgqueue_is_named(theirs: Kind, database_url: str) -> None:
    absent = PgQueue(database_url, schema="absent")

    @absent.task
    def welcome(user_id: int) -> str:
        return ""

    with pytest.raises(NotMigrated, match=r"schema 'absent' has no pgqueue .*run `pgqueue migrate --schema absent`"):
        theirs.enqueue(welcome, 1)


def _settings(theirs: Kind) -> dict[str, Any]:
    settings = dict(theirs.execute("select name, setting from pg_settings where name not like 'plpgsql.%'"))
    settings["transaction"] = theirs.execute("select txid_current()")
    if not theirs.prepares:
        settings["prepared"] = theirs.execute("select count(*) from pg_prepared_statements")
    return settings | theirs.attributes()


def test_the_settings_of_the_connection_stay_as_they_were(welcome: Task[[int], str], theirs: Kind) -> None:
    theirs.execute("set local search_path = public, pg_temp")
    theirs.execute("set local synchronous_commit = off")
    before = _settings(theirs)
    for _ in range(3):
        theirs.enqueue(welcome, 1)
        theirs.enqueue_many(welcome, [(1,), (2,)])
    assert _settings(theirs) == before


def test_all_options_arrive(welcome: Task[[int], str], theirs: Kind, look: Look) -> None:
    options: dict[str, Any] = {
        "queue": "mail",
        "priority": -7,
        "run_after": 3600.5,
        "retry": 5,
        "result_ttl": 60,
        "meta": {"a": [1]},
    }
    theirs.enqueue(welcome.using(**options), 1)
    theirs.enqueue_many(welcome.using(**options), [(1,)])
    theirs.commit()
    for row in look.rows("select *, extract(epoch from run_at - created_at) as wait from job"):
        assert (row["queue"], row["priority"], row["max_attempts"], row["meta"]) == ("mail", -7, 6, {"a": [1]})
        assert row["result_ttl"].total_seconds() == 60
        assert float(row["wait"]) == pytest.approx(3600.5, abs=1)


def test_casts_colons_and_percent_signs_survive(theirs: Kind) -> None:
    statement = rb"""select %s::text || '::x :p1 \: 12:30', '100%%'::text, "a:b", %s::int, %s::bool from (select 1 as "a:b") x"""
    expected = ("y::x :p1 \\: 12:30", "100%", 1, None, True)
    assert theirs.run(statement, ("y", None, True)) == [expected]


def test_parameters_may_have_names(theirs: Kind) -> None:
    statement = b"select %(a)s::text || %(b)s::text || %(a)s::text, %(price)s::float8"
    assert theirs.run(statement, {"b": "-", "a": "x", "price": 1.5}) == [("x-x", 1.5)]


def test_a_parameter_may_follow_a_colon(theirs: Kind) -> None:
    statement = b"select (array[7, 8, 9])[1:%(last)s::int]"
    assert theirs.run(statement, {"last": 2}) == [([7, 8],)]


def test_an_enqueue_on_a_caller_s_connection_opens_no_pool(welcome: Task[[int], str], theirs: Kind, look: Look) -> None:
    theirs.enqueue(welcome, 1)
    theirs.commit()
    query = "select count(*) from pg_stat_activity where application_name = 'pgqueue' and datname = current_database()"
    assert look.value(query) == 0


def test_a_kind_that_is_a_subclass_of_a_known_one_will_do(welcome: Task[[int], str], database_url: str, look: Look) -> None:
    class Theirs(psycopg.Connection[Any]):
        """An application's own."""

    with Theirs.connect(database_url) as connection:
        welcome.using(connection=connection).enqueue(1)
    assert look.live() == 1
