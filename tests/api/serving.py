"""The API on a real uvicorn, in a thread of the test's own process."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn


@contextmanager
def served(application: Any, **options: Any) -> Iterator[str]:
    """Serve an ASGI application on a free port of loopback; gives its URL. `options` are uvicorn's."""
    config = uvicorn.Config(application, host="127.0.0.1", port=0, log_level="warning", **options)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="uvicorn", daemon=True)
    thread.start()
    try:
        patience = time.monotonic() + 20
        while not server.started and thread.is_alive() and time.monotonic() < patience:
            time.sleep(0.005)
        assert server.started, "uvicorn has not started"
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive(), "uvicorn did not end"
