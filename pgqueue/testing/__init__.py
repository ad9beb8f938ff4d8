"""Helpers for the tests of applications; see docs/testing.md."""

from ._connection import joined
from ._drain import Ran, adrain, drain
from ._inline import Inline, InlineJob, inline
from ._look import aassert_enqueued, arefute_enqueued, assert_enqueued, refute_enqueued
from ._run import arun_job, run_job
from ._travel import atravel, travel

__all__ = [
    "Inline",
    "InlineJob",
    "Ran",
    "aassert_enqueued",
    "adrain",
    "arefute_enqueued",
    "arun_job",
    "assert_enqueued",
    "atravel",
    "drain",
    "inline",
    "joined",
    "refute_enqueued",
    "run_job",
    "travel",
]
