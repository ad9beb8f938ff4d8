"""Serves the API of an app without tasks: `python -m tests.faults.run_api URL PORT`, to be killed."""

import sys

import uvicorn

from pgqueue import PgQueue
from pgqueue.api import create_app

if __name__ == "__main__":
    uvicorn.run(create_app(PgQueue(sys.argv[1])), host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
