"""Tasks of every kind, for the examples beside this file."""

from dataclasses import dataclass

from pgqueue import INJECTED, Inject, JobContext, PgQueue

app = PgQueue("postgresql://nobody@localhost:1/nothing")


class Client:
    """What a lifespan would provide."""


@dataclass
class Order:
    id: int


@app.task
def add(a: int, b: int = 0) -> float:
    return a + b


@app.task(queue="mail", retry=3)
async def send(ctx: JobContext, to: str, *, urgent: bool = False) -> list[str]:
    return [to]


@app.task
async def fetch(url: str, http: Inject[Client] = INJECTED) -> bytes:
    return url.encode()


@app.task(name="place_order", priority="high")
def place(order: Order) -> Order:
    return order


@app.task
async def nothing() -> None: ...


@app.task
def with_context(ctx: JobContext) -> dict[str, int]:
    return {"id": ctx.id}


@app.task
def three(a: int, b: str, c: bytes) -> str:
    return b
