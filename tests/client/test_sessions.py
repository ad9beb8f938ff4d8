"""connection=: which connection of a SQLAlchemy session an enqueue takes."""

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, scoped_session, sessionmaker

from pgqueue import Task
from pgqueue.errors import WrongConnection
from tests.looking import Look


class Base(DeclarativeBase):
    """The application's models."""


class Order(Base):
    """In the database of the jobs."""

    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)


class Log(Base):
    """In another database."""

    __tablename__ = "log"
    id: Mapped[int] = mapped_column(primary_key=True)


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    """The engine of the database that the jobs are in."""
    engine = sa.create_engine("postgresql+psycopg://", connect_args=conninfo_to_dict(database_url))
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def elsewhere() -> Iterator[sa.Engine]:
    """The engine of another database."""
    engine = sa.create_engine("sqlite://")
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


def _assert_one_transaction(welcome: Task[[int], str], session: Session, connection: Any, look: Look) -> None:
    """What is enqueued on the connection commits with the session's own rows, and not before."""
    session.add_all([Order(), Log()])
    session.flush()
    welcome.using(connection=connection).enqueue(1)
    assert look.live() == 0
    session.commit()
    assert (look.live(), look.value("select count(*) from public.orders")) == (1, 1)


def test_a_session_with_binds_alone_is_refused_with_the_remedy(
    welcome: Task[[int], str], engine: sa.Engine, elsewhere: sa.Engine, look: Look
) -> None:
    with Session(binds={Order: engine, Log: elsewhere}) as session:
        with pytest.raises(WrongConnection, match=r"no engine .*session\.connection\(bind_arguments=\{'mapper': ") as refused:
            welcome.using(connection=session).enqueue(1)
        assert isinstance(refused.value.__cause__, sa.exc.UnboundExecutionError)
        _assert_one_transaction(welcome, session, session.connection(bind_arguments={"mapper": Order}), look)


async def test_so_is_an_async_session(welcome: Task[[int], str], engine: sa.Engine) -> None:
    async with AsyncSession(binds={Order: create_async_engine(engine.url)}) as session:
        with pytest.raises(WrongConnection, match=r"session\.connection"):
            await welcome.using(connection=session).aenqueue(1)


def test_a_session_without_any_engine_is_refused(welcome: Task[[int], str]) -> None:
    with pytest.raises(WrongConnection, match=r"session\.connection"):
        welcome.using(connection=scoped_session(sessionmaker())).enqueue(1)


def test_of_a_session_with_bind_and_binds_it_is_that_of_bind(
    welcome: Task[[int], str], engine: sa.Engine, elsewhere: sa.Engine, look: Look
) -> None:
    with Session(engine, binds={Log: elsewhere}) as session:
        _assert_one_transaction(welcome, session, session, look)


def test_where_bind_is_no_postgresql_the_remedy_is_named(
    welcome: Task[[int], str], engine: sa.Engine, elsewhere: sa.Engine, look: Look
) -> None:
    with Session(elsewhere, binds={Order: engine}) as session:
        with pytest.raises(WrongConnection, match=r"'sqlite' is not valid.*session\.connection\(bind_arguments=\{'mapper': "):
            welcome.using(connection=session).enqueue(1)
        _assert_one_transaction(welcome, session, session.connection(bind_arguments={"mapper": Order}), look)


def test_a_session_may_choose_its_engine_itself(
    welcome: Task[[int], str], engine: sa.Engine, elsewhere: sa.Engine, look: Look
) -> None:
    class Routed(Session):
        """As libraries for web frameworks have them."""

        def get_bind(self, mapper: Any = None, **given: Any) -> Any:
            return elsewhere if mapper is not None and mapper.class_ is Log else engine

    with Routed() as session:
        _assert_one_transaction(welcome, session, session, look)


def test_a_session_on_a_connection_shares_its_transaction(welcome: Task[[int], str], engine: sa.Engine, look: Look) -> None:
    with engine.connect() as connection, connection.begin() as transaction:
        with Session(connection, join_transaction_mode="create_savepoint") as session:
            welcome.using(connection=session).enqueue(1)
            session.commit()
        assert look.live() == 0
        transaction.commit()
    assert look.live() == 1


def test_a_savepoint_of_a_session_takes_back_what_was_enqueued_in_it(
    welcome: Task[[int], str], engine: sa.Engine, look: Look
) -> None:
    with Session(engine) as session:
        with session.begin_nested() as savepoint:
            welcome.using(connection=session).enqueue(1)
            savepoint.rollback()
        welcome.using(connection=session).enqueue(2)
        session.commit()
    assert [row["args"] for row in look.rows("select args from job")] == [{"user_id": 2}]


def test_a_session_that_is_begun_by_hand_must_be(welcome: Task[[int], str], engine: sa.Engine, look: Look) -> None:
    with Session(engine, autobegin=False) as session:
        with pytest.raises(sa.exc.InvalidRequestError, match="Autobegin is disabled"):
            welcome.using(connection=session).enqueue(1)
        with session.begin():
            welcome.using(connection=session).enqueue(1)
    assert look.live() == 1
