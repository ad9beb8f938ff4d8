"""The pages of workers: who they are, what they run, what was rescued, and what they do just now."""

import json
import re
import uuid

import httpx
import pytest
from playwright.sync_api import Page, expect

from pgqueue import PgQueue
from pgqueue.dashboard.nouns.stacks import groups_of, is_own_frame, text_of
from tests.client.manual_worker import ManualWorker
from tests.looking import Look

from .forms import send, shows
from .forms import text_of as words_of

FRAME = {"file": "/app/shop/mail.py", "line": 7, "function": "send", "code": "smtp.login('<b>')"}
LIBRARY = {"file": "/usr/lib/python3.13/smtplib.py", "line": 700, "function": "login", "code": "raise"}
STACKS = {
    "pid": 5, "python": "3.13.1", "blocked_for": 4.2, "left_out": 3,
    "threads": [
        {"names": ["MainThread"], "jobs": [], "count": 1, "frames": [LIBRARY]},
        {"names": ["pgqueue-handler_0"], "jobs": ["17"], "count": 2, "frames": [LIBRARY, FRAME, LIBRARY]},
    ],
    "processes": [{"pid": 9, "job": "18", "problem": "it has ended"}],
    "tasks": [{"names": ["Task-1"], "jobs": ["19"], "count": 1, "frames": [FRAME]}],
}  # fmt: skip


@pytest.fixture
def worker(manual_worker: ManualWorker, look: Look) -> str:
    """The id of the only worker."""
    return str(look.value("select id from worker"))


def test_without_workers_the_page_says_how_to_start_one(http: httpx.Client) -> None:
    assert "pgqueue worker module:app" in http.get("workers").text


def test_workers_are_listed_with_what_they_have_measured_and_the_jobs_that_run(
    app: PgQueue, http: httpx.Client, manual_worker: ManualWorker, worker: str, look: Look
) -> None:
    job = app.task(name="send", timeout=600)(lambda: None).enqueue()
    manual_worker.claim()
    look.rows("update worker set loop_lag = 2.5, memory = 104857600, tasks = '{send,\"<i>odd\"}', running = 1")
    listed, one = http.get("workers").text, http.get(f"workers/{worker}").text
    for text in (listed, one):
        assert "100 MiB" in text
        assert "2.5 s" in text
        assert f'href="{"../" if text is one else "./"}workers/{worker}/stacks?job={job.id}"' in text
    assert "Its event loop was blocked for 2.5 s" in one
    assert "&lt;i&gt;odd" in one
    assert re.search(r'<td class="wide"><time [^>]*>in (9|10) min</time></td>', one), "the time that is left"
    assert "ACTIVE" in http.get("workers?status=ACTIVE").text
    assert "No worker is IDLE." in http.get("workers?status=IDLE").text


def test_a_job_without_a_timeout_has_no_end(app: PgQueue, http: httpx.Client, manual_worker: ManualWorker, worker: str) -> None:
    app.task(name="send")(lambda: None).enqueue()
    manual_worker.claim()
    assert '<td class="wide">never</td>' in http.get(f"workers/{worker}").text


def test_a_lost_worker_says_so_and_its_rescues_are_shown(http: httpx.Client, worker: str, look: Look) -> None:
    look.rows("update worker set heartbeat_at = heartbeat_at - 2 * lease")
    look.rows("insert into rescue_log select clock_timestamp(), n, %s, 'mail', 't', n = 1 from generate_series(1, 3) n", worker)
    one = http.get(f"workers/{worker}").text
    assert "It has missed its lease" in one
    assert f'action="../workers/{worker}/stacks"' not in one, "it cannot be asked"
    rescues = words_of(http.get("workers/rescues?queue=mail").text)
    assert f"{worker} mail 3 1" in rescues
    assert "No job had to be rescued" in http.get("workers/rescues?queue=other").text


def test_what_is_no_worker_is_not_found(http: httpx.Client) -> None:
    for path in ("workers/five", f"workers/{uuid.uuid4()}", "workers/five/stacks"):
        assert http.get(path).status_code == 404


def test_a_worker_is_asked_and_its_answer_appears_by_itself(page: Page, worker: str, look: Look) -> None:
    page.goto(f"workers/{worker}/stacks")
    expect(page.locator("main")).to_contain_text("Nobody has asked this worker in the last hour.")
    page.get_by_role("button", name="Show what it does now").click()
    expect(page.locator("#open")).to_contain_text("The answer is on its way")
    look.value("select answer_stacks(%s, %s)", worker, json.dumps(STACKS))
    expect(page.locator("#blocked")).to_contain_text("Its event loop has not answered for 4.2 s")
    expect(page.locator("#stack-1 pre .own").first).to_contain_text("smtp.login('<b>')")
    expect(page.locator("#open")).to_have_count(0)


def test_the_job_that_is_asked_for_stands_in_front(http: httpx.Client, worker: str, look: Look) -> None:
    send(http, f"workers/{worker}/stacks", f"workers/{worker}/stacks")
    look.value("select answer_stacks(%s, %s)", worker, json.dumps(STACKS))
    shown = shows(http, f"workers/{worker}/stacks?job=19", "3 more found no room")
    assert [int(id) for id in re.findall(r'jobs/(\d+)">', shown)] == [19, 17, 18]
    assert "it has ended" in shown


def test_an_answer_that_nobody_can_read_is_told_as_such(http: httpx.Client, worker: str, look: Look) -> None:
    send(http, f"workers/{worker}/stacks", f"workers/{worker}/stacks")
    look.value("""select answer_stacks(%s, '{"threads": 5}')""", worker)
    shows(http, f"workers/{worker}/stacks", "the answer of this worker cannot be read")


@pytest.mark.parametrize(
    ("file", "is_own"),
    [
        ("/app/shop/mail.py", True), ("C:\\shop\\mail.py", True), ("<string>", True), ("/srv/pgqueue/tasks.py", True),
        ("/usr/lib/python3/dist-packages/x.py", False), ("/venv/lib/python3.13/site-packages/httpx/a.py", False),
        ("/usr/lib/python3.13/asyncio/tasks.py", False), ("<frozen runpy>", False), ("/checkout/pgqueue/worker/slots.py", False),
    ],
)  # fmt: skip
def test_frames_of_libraries_are_told_from_those_of_the_application(file: str, is_own: bool) -> None:
    assert is_own_frame({"file": file}) is is_own


def test_the_text_to_copy_has_all_frames_and_jobs() -> None:
    processes = [{**STACKS["processes"][0], "threads": None}]  # type: ignore[index]
    text = text_of(groups_of({**STACKS, "processes": processes}, None))
    assert text.startswith("thread pgqueue-handler_0 and 1 more, job 17\n")
    assert "  File \"/app/shop/mail.py\", line 7, in send\n    smtp.login('<b>')\n" in text
    assert "process 9, job 18\nit has ended" in text


def test_a_worker_is_told_from_its_page_after_a_question(http: httpx.Client, worker: str, look: Look) -> None:
    one = http.get(f"workers/{worker}").text
    assert "No other one takes its place" in one
    for what in ("restart", "drain"):
        answer = send(http, f"workers/{worker}", f"workers/{worker}/{what}")
        assert f"The worker is told to {what}." in answer.text
        assert look.value("select told from worker") == what
    assert "It drains" in answer.text
    assert f'action="../workers/{worker}/drain"' not in answer.text, "it is told already"


def test_a_worker_that_is_lost_says_why_and_is_not_told(http: httpx.Client, worker: str, look: Look) -> None:
    look.rows("update worker set heartbeat_at = heartbeat_at - 2 * lease, lost_because = 'its process was killed by SIGKILL'")
    lost = http.get(f"workers/{worker}").text
    assert "its process was killed by SIGKILL" in lost
    assert f'action="../workers/{worker}/restart"' not in lost, "it hears nothing"


def test_what_a_worker_says_of_itself_is_shown_as_text(http: httpx.Client, worker: str, look: Look) -> None:
    look.rows(
        "update worker set done = 1234, failed = 5, last_error = 'ValueError: <b>no</b>', app_version = 'v<i>7', cores = 1.5, "
        "cpu_seconds = 12, memory = 104857600, memory_limit = 536870912, pool = 'm<i>l', slot = 3, "
        "generation = 2, draining = true"
    )
    for path in ("workers", f"workers/{worker}"):
        text = words_of(http.get(path).text)
        for shown in ("1,234", "5 failed", "100 MiB", "v<i>7", "DRAINING"):
            assert shown in text, (path, shown)
    assert "its container may use 512 MiB" in text
    assert "ValueError: <b>no</b>" in text
    assert "m<i>l, slot 3, generation 2" in text
    assert "1.5, of which it has used" in text
