"""FastAPI with SQLAlchemy's async sessions: the job is part of the session's transaction."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from pgqueue import PgQueue

queue = PgQueue()
engine = create_async_engine("postgresql+psycopg://", connect_args=conninfo_to_dict(queue.url))
sessions = async_sessionmaker(engine)


class Base(DeclarativeBase):
    """The application's tables."""


class Order(Base):
    """What somebody ordered."""

    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    item: Mapped[str]


@queue.task(queue="mail")
async def send_receipt(order_id: int) -> str:
    """Runs in a worker, after the order has committed."""
    return f"receipt of order {order_id} sent"


async def session() -> AsyncIterator[AsyncSession]:
    """One session and one transaction per request; an error rolls it back."""
    async with sessions.begin() as opened:
        yield opened


@asynccontextmanager
async def lifespan(api: FastAPI) -> AsyncIterator[None]:
    """Close what this process has opened."""
    yield
    await queue.aclose()
    await engine.dispose()


api = FastAPI(lifespan=lifespan)


@api.post("/orders", status_code=201)
async def place_order(item: str, session: Annotated[AsyncSession, Depends(session, scope="function")]) -> dict[str, int]:
    """The order and its job commit when the request is done."""
    order = Order(item=item)
    session.add(order)
    await session.flush()  # the order has its id
    job = await send_receipt.using(connection=session).aenqueue(order.id)
    if item == "unicorn":
        raise HTTPException(409, "we are out of unicorns")  # no order, no receipt
    return {"order": order.id, "job": job.id}
