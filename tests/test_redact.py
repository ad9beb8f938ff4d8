"""Secrets in texts and in JSON."""

import time
from typing import Any

import pytest

from pgqueue.redact import DEFAULT, MARK, Redactor

S = "hunter2"
redactor = Redactor()


@pytest.mark.parametrize(
    "name",
    ["password", "dbPassword", "DB_PASSWORD_2", "apiKey", "X-API-Key", "api key", "ssn", "userSSN", "user_ssn", "sessionId",
     "pwd", "refresh_token", "cvv2", "Set-Cookie", "awsSecretAccessKey"],
)  # fmt: skip
def test_names_of_secrets(name: str) -> None:
    assert redactor.is_secret(name)


@pytest.mark.parametrize("name", ["className", "session_name", "author", "key", "passenger", "card", "assn", "id", ""])
def test_other_names(name: str) -> None:
    assert not redactor.is_secret(name)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"password={S} next", f"password={MARK} next"),
        (f"{{'password': 'hun\\'{S}', 'a': 1}}", f"{{'password': '{MARK}', 'a': 1}}"),
        (f'{{"db_password": "{S}", "n": 1}}', f'{{"db_password": "{MARK}", "n": 1}}'),
        (f'{{"x": "{{\\"api_key\\": \\"{S}\\"}}"}}', f'{{"x": "{{\\"api_key\\": \\"{MARK}\\"}}"}}'),
        (f"postgresql://ada:{S}@host/db", f"postgresql://ada:{MARK}@host/db"),
        (f"Authorization: Basic {S} {S}\nHost: x", f"Authorization: {MARK}\nHost: x"),
        (f"-H 'Authorization: Bearer {S}' http://x", f"-H 'Authorization: {MARK}' http://x"),
        (f"got Bearer {S}.{S}", f"got Bearer {MARK}"),
        (f"Cookie: a={S}; b={S}\nX: 1", f"Cookie: {MARK}\nX: 1"),
        (f"pg_dump --db-password {S} shop", f"pg_dump --db-password {MARK} shop"),
        (f"['pg_dump', '--password', '{S}', 'shop']", f"['pg_dump', '--password', '{MARK}', 'shop']"),
        (f"password=SecretStr('{S}') next", f"password={MARK} next"),
        (f"password=<Secret '{S}'> next", f"password={MARK} next"),
        (f"tokens: {{'a': {{'b': '{S}'}}, 'c': ['{S}']}} next", f"tokens: {MARK} next"),
        (f"os.environ['PASSWORD'] = '{S}'", f"os.environ['PASSWORD'] = '{MARK}'"),
        (f'secret = """{S}\n{S}"""', f'secret = """{MARK}"""'),
        (f"secret=b'{S}'", f"secret=b'{MARK}'"),
        (f"password=none-of-{S} next", f"password={MARK} next"),
        (f'{{"password":          "{S}"}}', f'{{"password":          "{MARK}"}}'),
        (f"password          = {S}\nuser = ada", f"password          = {MARK}\nuser = ada"),
        (f"postgresql://ada:it's{S}@host/db", f"postgresql://ada:{MARK}@host/db"),
        (f"passphrase='{S} cut", f"passphrase='{MARK}"),
        ("card_number: 4111 1111 1111 1111 EUR", f"card_number: {MARK} EUR"),
        (f"-----BEGIN RSA PRIVATE KEY-----\n{S}\n-----END RSA", f"-----BEGIN RSA PRIVATE KEY-----{MARK}-----END RSA"),
        (f"password\n  Input should be a bool [type=bool, input_value='{S}', input_type=str]",
         f"password\n  Input should be a bool [type=bool, input_value='{MARK}', input_type=str]"),
    ],
)  # fmt: skip
def test_a_text_without_its_secrets(text: str, shown: str) -> None:
    assert redactor.text(text) == shown
    assert redactor.text(shown) == shown


@pytest.mark.parametrize(
    "text",
    ["", "user password host", "password: None", "secret=true", "max_tokens=4096, used", "https://host:80/a@b", "token",
     '{"url":"http://host:80","mail":"a@b"}', "the secret: none. Next",
     "className=x"],
)  # fmt: skip
def test_a_text_without_secrets_stays(text: str) -> None:
    assert redactor.text(text) == text


def test_json_of_any_depth() -> None:
    value = {"a": [{"password": S, "n": 1}, (f"pwd={S}", None)], "token": {"x": [S]}, "secret": None, "api_key": "", "jwt": False}
    assert redactor.value(value) == {
        "a": [{"password": MARK, "n": 1}, [f"pwd={MARK}", None]],
        "token": MARK,
        "secret": None,
        "api_key": MARK,
        "jwt": False,
    }
    assert value["token"] == {"x": [S]}  # it is a copy
    assert redactor.value({"max_tokens": 4096, "card_number": 4111}) == {"max_tokens": 4096, "card_number": MARK}


def test_names_of_members_hold_no_secret() -> None:
    pools = {f"http://ada:{S}@host": {f"pwd={S}": 1}}
    assert redactor.value({"pools": pools}) == {"pools": {f"http://ada:{MARK}@host": {f"pwd={MARK}": MARK}}}
    assert redactor.value(pools) == {f"http://ada:{MARK}@host": {f"pwd={MARK}": MARK}}


def test_deep_cyclic_and_strange_values() -> None:
    deep: Any = S
    for _ in range(100_000):
        deep = [deep]
    copy = redactor.value(deep)
    while isinstance(deep, list):  # or the interpreter would unwind them one in the other
        deep, copy = deep[0], copy[0]
    cyclic: dict[Any, Any] = {1: "a", "pwd": S, "o": object}
    cyclic["self"] = cyclic
    copy = redactor.value(cyclic)
    assert (copy["pwd"], copy["self"]["pwd"], copy["o"]) == (MARK, MARK, object)


def test_names_replace_the_default_or_are_added_to_it() -> None:
    mine, more, none = Redactor(["iban"]), Redactor(["+iban"]), Redactor([])
    row = {"iban": S, "password": S, "url": f"http://a:{S}@b"}
    assert mine.value(row) == {"iban": MARK, "password": S, "url": f"http://a:{MARK}@b"}
    assert more.value(row) == {"iban": MARK, "password": MARK, "url": f"http://a:{MARK}@b"}
    assert more.text(f"IBAN: {S}") == f"IBAN: {MARK}"
    assert none.value(row) == row
    assert "password" in DEFAULT


@pytest.mark.parametrize(
    "part",
    ["token=x ", "token", " ", "token='", "token=[", "://a:", ":", "--", "--token-", 'token=\\"x', "token=<", "token\n",
     "bearer ", "-----BEGIN PRIVATE KEY-----", "lorem ipsum ", "password\nx ",
     "token" + " " * 50],
)  # fmt: skip
def test_a_hostile_text_takes_time_that_grows_with_its_length(part: str) -> None:
    """A pattern that goes back and forth would take minutes."""
    text = f"token{part * (300_000 // len(part))}"
    began = time.process_time()
    redactor.text(text)
    assert time.process_time() - began < 4
