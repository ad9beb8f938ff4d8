"""Structured logs."""

import json
import logging
from collections.abc import Iterator
from datetime import datetime

import pytest

from pgqueue import logs
from pgqueue.errors import ConfigurationError


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
    logs.configure(logs.Format.json)
    logging.getLogger("shop").warning("paid %s €", 3, extra={"order": 17, "lines": ["a", "b"]})

    line = json.loads(capsys.readouterr().err)

    assert (line["level"], line["logger"], line["message"], line["order"], line["lines"]) == (
        "WARNING",
        "shop",
        "paid 3 €",
        17,
        ["a", "b"],
    )
    assert datetime.fromisoformat(line["timestamp"]).tzinfo is not None


def test_json_keeps_a_traceback_in_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(logs.Format.json)
    try:
        raise ValueError("no")
    except ValueError:
        logging.getLogger("shop").exception("failed")

    (line,) = capsys.readouterr().err.splitlines()

    assert "ValueError: no" in json.loads(line)["exc_info"]


def test_the_console_shows_extra_fields(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(logs.Format.console)
    logging.getLogger("shop").info("paid", extra={"order": 17})
    assert "paid  order=17" in capsys.readouterr().err


def test_without_a_terminal_the_default_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    logging.getLogger("shop").info("paid")
    assert json.loads(capsys.readouterr().err)["message"] == "paid"


def test_the_level_is_respected(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(level="Error")
    logging.getLogger("shop").warning("paid")
    assert capsys.readouterr().err == ""


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="log_level: 'loud'"):
        logs.configure(level="loud")
