"""An app whose handler says something, reports progress, and ends."""

import asyncio

from pgqueue import JobContext, PgQueue

app = PgQueue()


@app.task
async def tell(ctx: JobContext) -> None:
    """A line, progress, and a moment in which to see them."""
    ctx.log("hello")
    await ctx.aprogress(1, 2, "half")
    await asyncio.sleep(0.3)
