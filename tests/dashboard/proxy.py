"""nginx as Debian's package has it, with the few lines that everybody writes."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.waiting import until

PROGRAM = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
CONFIGURATION = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port};
    location /ops/queue/ {{ proxy_pass {url}/; }}
  }}
}}
"""


@contextmanager
def nginx(url: str) -> Iterator[str]:
    """nginx before a server; gives the URL of the dashboard behind it."""
    if PROGRAM is None:
        text = "there is no nginx (Debian: apt install nginx-light)"
        pytest.fail(text) if os.environ.get("CI") else pytest.skip(text)
    assert PROGRAM is not None
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="pgqueue-nginx-") as folder:
        file = Path(folder, "nginx.conf")
        file.write_text(CONFIGURATION.format(folder=folder, port=port, url=url))
        process = subprocess.Popen([PROGRAM, "-c", str(file), "-e", f"{folder}/error.log"], stderr=subprocess.DEVNULL)
        try:
            until(lambda: _listens(port), "nginx listens", 10)
            yield f"http://127.0.0.1:{port}/ops/queue"
        finally:
            process.terminate()
            process.wait(10)


def _listens(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/").status_code > 0
    except httpx.TransportError:
        return False
