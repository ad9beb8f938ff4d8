"""Tracebacks in parts: whose code a frame is of."""

import traceback

import pytest

from pgqueue.insight.traceback import folded, is_library, parts_of
from pgqueue.worker import execute

TEXT = """Traceback (most recent call last):
  File "/srv/.venv/lib/python3.12/site-packages/pgqueue/worker/execute.py", line 141, in execute
    result = await surrounded(job, task, threads)
             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/usr/lib/python3.12/asyncio/runners.py", line 3, in run
  File "/srv/shop/mail.py", line 12, in send
    connect(host)
  [Previous line repeated 7 more times]
  File "/usr/lib/python3.12/socket.py", line 852, in create_connection
    raise exceptions[0]
ConnectionRefusedError: [Errno 111] Connection refused
  by a host of two lines
"""


def kinds(text: str) -> list[tuple[str, int]]:
    return [(part.kind, part.frames) for part in parts_of(text)]


def test_frames_of_the_application_stand_by_themselves_and_those_of_libraries_together() -> None:
    found = parts_of(TEXT)
    assert kinds(TEXT) == [("text", 0), ("library", 2), ("own", 1), ("library", 1), ("text", 0)]
    assert "^^^^" in found[1].text
    assert found[2].text.splitlines()[-1].strip() == "[Previous line repeated 7 more times]"
    assert found[4].text.splitlines() == [
        "ConnectionRefusedError: [Errno 111] Connection refused",
        "  by a host of two lines",
    ]


def test_no_line_is_lost_or_moved() -> None:
    assert "\n".join(part.text for part in parts_of(TEXT)) == TEXT.rstrip("\n")


def test_for_the_command_line_frames_of_pgqueue_and_what_stands_between_them_are_a_number() -> None:
    ours = '  File "/srv/.venv/lib/python3.12/site-packages/pgqueue/executor.py", line 5, in call\n    return f()\n'
    text = TEXT.replace('  File "/srv/shop/mail.py"', f'{ours}  File "/srv/shop/mail.py"')

    found = folded(text)

    assert found[:2] == ["Traceback (most recent call last):", 3]
    assert str(found[2]).startswith('  File "/srv/shop/mail.py"')
    assert "socket.py" in str(found[3])  # the application has called it
    assert sum(part.count("File ") for part in found if isinstance(part, str)) == text.count("File ") - 3


def test_a_traceback_without_code_of_the_application_is_not_folded() -> None:
    text = TEXT.replace("/srv/shop/mail.py", "/usr/lib/python3.12/smtplib.py")

    assert folded(text) == [text]


def test_a_traceback_of_a_group_and_of_a_cause_is_read_too() -> None:
    try:
        try:
            raise KeyError("a")
        except KeyError as error:
            raise ExceptionGroup("both", [ValueError("x"), error]) from error
    except ExceptionGroup as error:
        text = "".join(traceback.format_exception(error))
    found = parts_of(text)
    assert "\n".join(part.text for part in found) == text.rstrip("\n")
    assert [part.frames for part in found if part.kind == "own"] == [1] * text.count("File ")


@pytest.mark.parametrize(
    ("file", "is_one"),
    {
        "/srv/shop/mail.py": False,
        "/home/ann/pgqueue/tasks.py": False,
        "/home/ann/pgqueue/worker/execute.py": True,
        execute.__file__: True,
        "/usr/lib/python3/dist-packages/requests/api.py": True,
        "C:\\Python312\\Lib\\socket.py": True,
        "<frozen importlib._bootstrap>": True,
        "<string>": False,
        "/srv/lib/mail.py": False,
    }.items(),
    ids=str,
)
def test_a_file_is_of_a_library_or_not(file: str, is_one: bool) -> None:
    assert is_library(file) is is_one


@pytest.mark.parametrize("text", [None, "", "Traceback: no such page", 'panic\n\tmain.go:12 +0x1\n\n  File "', "\n" * 5])
def test_any_other_text_is_shown_as_it_is(text: str | None) -> None:
    assert "\n".join(part.text for part in parts_of(text)) == "\n".join((text or "").splitlines())
    assert {part.kind for part in parts_of(text)} <= {"text"}
