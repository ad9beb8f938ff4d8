"""Only a page of ours changes anything (FAULT 48), and a form leads nowhere else."""

import base64

import httpx
import pytest

from pgqueue import PgQueue
from pgqueue.dashboard import guard, notices
from pgqueue.dashboard.form import Form
from tests.api.keyed import key_of
from tests.looking import Look

from .acting import PAUSE, sign_in, token_of, with_acts

OURS = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture(autouse=True)
def _acts(monkeypatch: pytest.MonkeyPatch) -> None:
    with_acts(monkeypatch)


def _is_paused(look: Look) -> bool:
    return bool(look.value("select exists (select from pauses where name = 'mail')"))


def test_a_form_of_a_page_changes_and_leads_back_with_a_word(http: httpx.Client, look: Look) -> None:
    form = {"csrf": token_of(http), "back": "audit?verb=pause", "reason": "down"}
    done = http.post(PAUSE, data=form, headers={**OURS, "Origin": str(http.base_url).rstrip("/")})
    assert (done.status_code, done.headers["location"]) == (303, "../../audit?verb=pause")
    assert _is_paused(look)
    assert "The queue mail is paused." in http.get("audit").text
    assert "The queue mail is paused." not in http.get("audit").text, "it is said once"


@pytest.mark.parametrize(
    "heads",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1"},
        {"Sec-Fetch-Site": ""},
    ],
)
def test_a_page_of_another_site_changes_nothing_even_with_the_token(
    http: httpx.Client, look: Look, heads: dict[str, str]
) -> None:
    refused = http.post(PAUSE, data={"csrf": token_of(http)}, headers=heads)
    assert refused.status_code == 403
    assert not _is_paused(look)
    assert http.post(PAUSE, data={"csrf": token_of(http)}).status_code == 303, "a program says neither"


@pytest.mark.parametrize("token", [None, "", "0" * 64, "é"])
def test_a_form_without_the_token_of_its_session_changes_nothing(http: httpx.Client, look: Look, token: str | None) -> None:
    token_of(http)
    refused = http.post(PAUSE, data={"reason": "x"} if token is None else {"csrf": token}, headers=OURS)
    assert refused.status_code == 403
    assert "not of this session" in refused.text
    assert not _is_paused(look)


def test_the_token_of_another_session_and_one_before_there_is_a_session_are_refused(http: httpx.Client, look: Look) -> None:
    with httpx.Client(base_url=http.base_url, timeout=20) as other:
        token = token_of(other)
    assert http.post(PAUSE, data={"csrf": token}, headers=OURS).status_code == 403
    token_of(http)
    assert http.post(PAUSE, data={"csrf": token}, headers=OURS).status_code == 403
    assert not _is_paused(look)


def test_behind_a_proxy_that_changes_the_host_the_word_of_the_browser_counts(http: httpx.Client, look: Look) -> None:
    heads = {**OURS, "Origin": "https://ops.example", "Host": "127.0.0.1:9"}
    assert http.post(PAUSE, data={"csrf": token_of(http)}, headers=heads).status_code == 303
    assert _is_paused(look)


def test_a_refusal_of_the_api_is_said_on_the_page_from_which_the_form_came(http: httpx.Client, look: Look) -> None:
    form = {"csrf": token_of(http), "back": "audit", "until": "<b>never</b>"}
    refused = http.post(PAUSE, data=form, headers=OURS, follow_redirects=True)
    assert refused.status_code == 200
    assert 'role="alert"' in refused.text
    assert "A value is not valid" in refused.text
    assert "<b>never" not in refused.text
    assert not _is_paused(look)


def test_a_notice_that_somebody_else_has_written_is_harmless(http: httpx.Client) -> None:
    for text in ("x", "[" * 4000, '{"said": 5}', '{"detail": null}', "[]", "\x00", '{"said": "<script>"}'):
        written = base64.urlsafe_b64encode(text.encode()).decode()
        for value in (written, written[:-1] + "!", "é"):
            answer = http.get("audit", headers=[(b"cookie", f"{notices.NAME}={value}".encode())])
            assert answer.status_code == 200, text
            assert "<script>" not in answer.text.replace('<script src="', ""), text


def test_a_notice_of_any_length_fits_into_its_cookie(http: httpx.Client) -> None:
    csrf = token_of(http)
    for letter in ("\U0001f40d", '"', "\\", "\n", "\u202e", "x"):
        refused = http.post(PAUSE, data={"csrf": csrf, "back": "audit", "until": f"a{letter * 5000}b"}, headers=OURS)
        assert len(refused.headers["set-cookie"]) < 4096, letter
        assert "A value is not valid" in http.get("audit").text, letter


LEADS_AWAY = [
    "https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)", "/etc/passwd",
    "../other", "a/../../b", "//[", "x" * 3000,
    "%2e%2e/other", "a/%2E%2E/%2e%2e/b", "..%2fother", "a\\..\\..", "%5c%5cevil.example", "a\r\nSet-Cookie: x=1", "a\tb",
    "http:evil",
]  # fmt: skip


def test_no_form_leads_out_of_the_dashboard(http: httpx.Client) -> None:
    csrf = token_of(http)
    for path in LEADS_AWAY:
        assert guard._inside(path) == "", path
        done = http.post(PAUSE, data={"csrf": csrf, "back": path}, headers=OURS)
        assert done.headers["location"] == "../../", path
        assert "x" not in done.cookies, path


@pytest.mark.parametrize("path", ["audit", "jobs?q=state:failed%20error:x", "limits/tenant:1/of?a=http://x", "jobs/17#log", ""])
def test_a_form_leads_back_to_any_page_of_the_dashboard(path: str) -> None:
    assert guard._inside(path) == path


def test_who_has_signed_in_is_led_to_the_dashboard_and_nowhere_else(app: PgQueue, http: httpx.Client) -> None:
    key = key_of(app, "viewer")
    for path in LEADS_AWAY:
        done = sign_in(http, key, path)
        assert done.status_code == 303, path
        assert done.headers["location"] == "./", path


def test_a_form_that_is_none_or_too_large_is_refused(http: httpx.Client, look: Look) -> None:
    token = token_of(http)
    assert http.post(PAUSE, json={"csrf": token}, headers=OURS).status_code == 415
    assert (
        http.post(PAUSE, content=b"csrf=%ff", headers={**OURS, "Content-Type": "application/x-www-form-urlencoded"}).status_code
        == 422
    )
    assert http.post(PAUSE, data={"csrf": token, "reason": "x" * 2**20}, headers=OURS).status_code == 413
    many = {"csrf": token, **{f"f{n}": "" for n in range(3000)}}
    assert http.post(PAUSE, data=many, headers=OURS).status_code == 422
    assert not _is_paused(look)


def test_what_is_no_number_goes_to_the_api_as_it_was_typed() -> None:
    typed = {"5": 5, " 0.5 ": 0.5, "": None, "nan": "nan", "inf": "inf", "1e999": "1e999", "soon": "soon"}
    assert {text: Form([("field", text)]).number("field") for text in typed} == typed
    assert Form([("field", "1.5")]).number("field", 60) == 90
