"""Two tasks, one async and one sync. Run a worker, then enqueue from anywhere:

pgqueue worker examples.hello:app
pgqueue enqueue greet '{"name": "World"}'
pgqueue enqueue add '{"a": 1, "b": 2}' --queue numbers
"""

from pgqueue import PgQueue

app = PgQueue()


@app.task
async def greet(name: str) -> str:
    return f"Hello, {name}!"


@app.task(queue="numbers")
def add(a: int, b: int) -> int:
    return a + b
