"""Structured logs."""

import json
import logging
from collections.abc import Iterator
from datetime import datetime

import pytest

from pgqueue import logs


@pytest.fixture(autouse=True)
def root() -> Iterator[logging.Logger]:
    """The root logger, as it was afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()  # or configure would close pytest's
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


def test_json_has_one_object_a_line_and_keeps_extra_fields(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(logs.Given(format="json"))
    logging.getLogger("shop").warning("paid %s €", 3, extra={"order": 17, "lines": ["a", "b"]})

    line = json.loads(capsys.readouterr().out)

    assert (line["level"], line["logger"], line["message"], line["order"], line["lines"]) == (
        "WARNING",
        "shop",
        "paid 3 €",
        17,
        ["a", "b"],
    )
    assert datetime.fromisoformat(line["timestamp"]).tzinfo is not None


def test_json_keeps_a_traceback_in_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(logs.Given(format="json"))
    try:
        raise ValueError("no")
    except ValueError:
        logging.getLogger("shop").exception("failed")

    (line,) = capsys.readouterr().out.splitlines()

    assert "ValueError: no" in json.loads(line)["exc_info"]


def test_the_console_shows_extra_fields(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(logs.Given(format="console"))
    logging.getLogger("shop").info("paid", extra={"order": 17})
    assert "paid  order=17" in capsys.readouterr().out


def test_without_a_terminal_the_default_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(logs.Given())
    logging.getLogger("shop").info("paid")
    assert json.loads(capsys.readouterr().out)["message"] == "paid"


def test_the_level_is_respected(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(logs.Given(level="error"))
    logging.getLogger("shop").warning("paid")
    assert capsys.readouterr().out == ""
