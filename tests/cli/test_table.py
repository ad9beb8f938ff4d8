"""Tables: what fits in a terminal, and that a long one is fast."""

import time
from io import StringIO

import pytest
from rich.console import Console
from rich.text import Text

from pgqueue.cli.output import console, fitted, shown
from pgqueue.cli.table import TextTable, folded


def lines(rows: list[dict[str, object]], columns: tuple[str, ...], width: int, wide: tuple[str, ...] = ()) -> list[str]:
    out = StringIO()
    Console(file=out, width=width).print(next(fitted(rows, columns, wide, width=width)))
    return [line.rstrip() for line in out.getvalue().splitlines() if line.strip()]


def test_numbers_stand_at_the_right_and_texts_at_the_left() -> None:
    assert lines([{"key": "a", "jobs": 5}, {"key": "mail", "jobs": 120}], ("key", "jobs"), 80) == [
        " key    jobs",
        " ───────────",
        " a         5",
        " mail    120",
    ]


@pytest.mark.parametrize(("width", "cells"), [(60, "abcdefghijklmnopqrstuvwxyz"), (40, "abcdefghijklmnopqr…"), (24, "ab…")])
def test_what_may_be_cut_is_cut_to_the_width_of_the_terminal(width: int, cells: str) -> None:
    row: dict[str, object] = {"args": "abcdefghijklmnopqrstuvwxyz", "note": Text.assemble("two ", ("colours", "red")), "id": 7}
    *_, last = lines([row], ("id", "args", "note"), width, ("args",))
    assert last == f"  7   {cells}   two colours"
    assert all(len(line) <= width for line in lines([row], ("id", "args", "note"), width, ("args",)))


def test_wide_letters_take_two_columns() -> None:
    *_, last = lines([{"name": "日本語の名前です", "id": 1}], ("name", "id"), 18, ("name",))
    assert last == " 日本語の名…    1"


def test_a_reason_goes_on_in_the_next_line_and_is_not_cut() -> None:
    row: dict[str, object] = {"id": 7, "reason": "low: 0 jobs run and 0 are ready, for 4 seconds"}
    *_, first, second, third = lines([row], ("id", "reason"), 26, ("reason",))
    assert (first, second, third) == ("  7   low: 0 jobs run and", "      0 are ready, for 4", "      seconds")


def test_long_names_of_one_row_are_folded_side_by_side() -> None:
    row: dict[str, object] = {"id": 12345, "queue": "q" * 15, "task": "orders.send_invoice", "state": "ready"}
    assert lines([row], ("id", "queue", "task", "state"), 42) == [
        "    id   queue        task          state",
        " ────────────────────────────────────────",
        " 12345   qqqqqqqqqq   orders.send   ready",
        "         qqqqq        _invoice",
    ]


def test_a_heading_is_folded_before_a_cell_is_cut() -> None:
    row: dict[str, object] = {"args": "abcdefghijkl", "no_worker_for_task": 7}
    *heading, _, cells = lines([row], ("args", "no_worker_for_task"), 27, ("args",))
    assert [line.split()[-1] for line in heading] == ["no", "worker", "for", "task"]
    assert {len(line) for line in [*heading, cells]} == {22}
    assert cells.split() == ["abcdefghijkl", "7"]


def parts(rows: list[dict[str, object]], columns: tuple[str, ...], width: int, **given: tuple[str, ...]) -> tuple[list[str], str]:
    """The columns that are shown, and the line below the table."""
    table, *line = fitted(rows, columns, width=width, **given)
    assert isinstance(table, TextTable)
    return [column.heading for column in table.columns], str(line[0]) if line else ""


def test_columns_go_in_the_order_that_the_table_names_but_first_those_that_say_nothing() -> None:
    row: dict[str, object] = {"id": 1, "task": "t" * 20, "note": None, "args": "a" * 50, "run_at": "2030-01-31 12:00:00"}
    columns, spare = tuple(row), ("run_at", "args", "note")
    assert parts([row], columns, 100, wide=("args",), spare=spare) == (["id", "task", "note", "args", "run at"], "")
    narrow = parts([row], columns, 75, wide=("args",), spare=spare)
    assert narrow == (["id", "task", "args", "run at"], "no room for: note; see --wide or --columns")
    assert parts([row], columns, 60, wide=("args",), spare=spare)[0] == ["id", "task", "args"]
    assert parts([row], columns, 20, wide=("args",), spare=spare)[0] == ["id", "task"]


@pytest.mark.parametrize(
    ("told", "width"), [("90", 90), ("0", 200), ("-5", 200), ("wide", 200), ("19", 200), ("9" * 20, 200), ("²0", 200)]
)
def test_the_width_is_that_of_the_environment_if_it_is_one(told: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as environment:  # and no longer: pytest reads it, too
        environment.setenv("COLUMNS", told)
        assert console().width == width


@pytest.mark.parametrize("width", [1, 2, 7])
def test_folding_loses_nothing_however_narrow(width: int) -> None:
    text = Text("日本 a bc defghijk")
    lines = folded(Console(), text, width)
    assert max(line.cell_len for line in lines) <= width
    if width > 1:
        assert "".join(line.plain for line in lines).replace(" ", "") == text.plain.replace(" ", "")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.9996, "1 s"), (0.9994e-3, "999 µs"), (0.99996e-3, "1 ms"), (0.25, "250 ms"), (999.7, "1,000 s")]
)
def test_durations_have_three_digits_and_no_exponent(seconds: float, text: str) -> None:
    assert str(shown(seconds)) == text


@pytest.mark.alone
def test_a_list_of_5000_rows_takes_no_seconds() -> None:
    columns = tuple("abcdefgh")
    rows: list[dict[str, object]] = [dict.fromkeys(columns, f"tenant:{n}") for n in range(5000)]
    began = time.process_time()
    lines(rows, columns, 200)
    assert time.process_time() - began < 1.5  # rich's own table takes more than 2 s
