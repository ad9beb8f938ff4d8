"""Tables: what fits in a terminal, and that a long one is fast."""

import time
from io import StringIO

import pytest
from rich.console import Console
from rich.text import Text

from pgqueue.cli.output import fitted, shown


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
