"""Secrets are left out of what people see: values under names such as `password`, in JSON, in texts and in URLs.

What is stored is not changed: SQL, handlers and the Python API have the values as they are.
"""

import re
import string
from collections.abc import Callable, Iterable
from typing import Any

MARK = "[redacted]"
DEFAULT = (
    "password", "passwd", "passphrase", "pwd", "secret", "token", "jwt", "api_key", "access_key", "private_key", "credential",
    "authorization", "cookie", "session_id", "ssn", "card_number", "cvv", "cvc",
)  # fmt: skip
SHORT = 4  # characters; a name up to here is matched as a whole word, because `ssn` is a part of `className`
MOST_NAMES = 10_000  # whose answers are remembered
NAME = 200  # characters of a name that are looked at
MOST_FLAG = 40  # characters of a flag before the name in it
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_]+|\d+")
# If there is no @ before a quote, the quote may be a part of the password; but not the one behind the port of a text in JSON.
_URL = re.compile(r"(://[^\s:/?#@'\"\\]*:)(?:[^\s/'\"\\]+|(?!\d{1,5}['\"\\])[^\s/@]+)@")
_BEARER = re.compile(r"(\bbearer\s{1,4})[\w.~+/=-]{8,}", re.I)
_PEM = re.compile(r"(-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----).*?(-----END|\Z)", re.S)
_QUOTED = re.compile(r"""[bBrRuUfF]{0,2}(\\*)(\"{3}|'{3}|["'])""")
_TO_QUOTE = {quote: re.compile(rf"(?:[^{quote}\\]|\\.)*", re.S) for quote in "\"'"}
_OPENED = re.compile(r"[\w.]*[\[({]")
_ANGLED = re.compile(r"<[^>\n]*>?")
_BRACKET = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[\[({]|[\])}]""", re.S)
_HEADER = re.compile(r"""[^\n"']*""")  # a header may have several words: Basic dXNlcg==, a=1; b=2
_BARE = re.compile(r"""\d[\d -]{11,22}\d|[^\s,;&)\]}"'\\|<>]+""")  # a number of a card may be in groups
_NO_SECRET = re.compile(r"(?:none|null|true|false)(?=[\s,;&)\]}\"'\\|<>]|\.?(?:\s|\Z))", re.I)
_NUMBER = re.compile(r"-?\d[\d_.]*(?=[\s,;&)\]}]|\Z)")
_COUNT = "tokens"  # a number under such a name counts those of a language model


class Redactor:
    """Replaces secrets by a mark.

    Args:
        names: what the names of secrets contain, in any case and with or without separators; None = DEFAULT. If one begins
            with a plus sign, all of them are added to DEFAULT. Empty: nothing is replaced.
    """

    def __init__(self, names: Iterable[str] | None = None) -> None:
        given = list(DEFAULT if names is None else names)
        if any(name.startswith("+") for name in given):
            given = [*DEFAULT, *given]
        words = [_words(name) for name in given]
        self._names = {"".join(parts) for parts in words if parts}
        self._short = {name for name in self._names if len(name) <= SHORT}
        self._long = sorted(self._names - self._short)
        self._known: dict[str, bool] = {}
        self._assigned = _assignment([parts for parts in words if parts])
        # Before the pattern: whether any of its names is there at all, which costs a hundredth.
        self._hints = tuple({parts[-1] for parts in words if parts})

    def is_secret(self, name: str) -> bool:
        """Whether a value under this name is a secret."""
        name = name[:NAME]
        known = self._known.get(name)
        if known is None:
            known = self._matches(name)
            if len(self._known) < MOST_NAMES:
                self._known[name] = known
        return known

    def _matches(self, name: str) -> bool:
        words = _words(name)
        whole = "".join(words)
        if any(one in whole for one in self._long):
            return True
        return any(one in self._short for one in words)

    def value(self, value: Any, leaf: Callable[[Any], Any] | None = None) -> Any:
        """A copy of a JSON value without secrets; of any depth. Other objects are left as they are.

        Args:
            value: the value.
            leaf: what becomes of each member that has none itself, before it is looked at; None = it stays.
        """
        if not isinstance(value, dict | list | tuple):
            value = value if leaf is None else leaf(value)
            return self.text(value) if isinstance(value, str) else value
        if not self._names and leaf is None:
            return value
        top = [value]
        todo: list[Any] = [top]
        copies: dict[int, Any] = {}  # by the id of the original: a value may be in several places, even in itself
        while todo:
            into = todo.pop()
            for key, one in into.items() if isinstance(into, dict) else enumerate(into):
                into[key] = MARK if isinstance(into, dict) and self._hides(key, one) else self._copy(one, leaf, copies, todo)
        return top[0]

    def _copy(self, one: Any, leaf: Callable[[Any], Any] | None, copies: dict[int, Any], todo: list[Any]) -> Any:
        if not isinstance(one, dict | list | tuple):
            one = one if leaf is None else leaf(one)
            return self.text(one) if isinstance(one, str) else one
        if id(one) not in copies:
            copies[id(one)] = copy = self._named(one) if isinstance(one, dict) else list(one)
            todo.append(copy)
        return copies[id(one)]

    def _named(self, members: dict[Any, Any]) -> dict[Any, Any]:
        """A copy whose names hold no secret, such as the URL of a pool; most names are no more than a name."""
        return {
            self.text(name) if isinstance(name, str) and (":" in name or "=" in name) else name: one
            for name, one in members.items()
        }

    def _hides(self, name: Any, value: Any) -> bool:
        if value is None or value is True or value is False or not isinstance(name, str) or not self.is_secret(name):
            return False
        return not (isinstance(value, int | float) and name.lower().endswith(_COUNT))

    def text(self, text: str) -> str:
        """A text without secrets: password=…, 'password': '…', "password": "…", --password …, headers, URLs with a password."""
        if not self._names:
            return text
        lowered = text.lower()
        if "://" in lowered:
            text = _URL.sub(rf"\1{MARK}@", text)
        if "bearer" in lowered:
            text = _BEARER.sub(rf"\1{MARK}", text)
        if "private key-----" in lowered:
            text = _PEM.sub(rf"\1{MARK}\2", text)
        for hint in self._hints:  # a loop, because most texts of most programs come here in vain
            if hint in lowered:
                return self._without_assigned(text)
        return text

    def _without_assigned(self, text: str) -> str:
        parts, at = [], 0
        while found := self._assigned.search(text, at):
            start, end = _value(text, found)
            if start < end:
                parts += [text[at:start], MARK]
            else:
                parts.append(text[at:end])
            at = end
        return "".join([*parts, text[at:]])


def _words(name: str) -> list[str]:
    """The words of a name: session_id, sessionId, SESSION-ID and "session id" have the same."""
    return [word.lower() for word in _WORD.findall(name)]


def _assignment(names: list[list[str]]) -> re.Pattern[str]:
    """Finds a name of a secret and what stands between it and its value."""
    cores = sorted({_core(words) for words in names}, key=lambda core: (-len(core), core)) or [r"(?!)"]
    return re.compile(
        rf"(?P<name>{'|'.join(cores)})(?P<rest>[\w.-]{{0,64}})[\\\"'\])]{{0,8}}"
        r"(?:\s{0,40}(?:=>|:=|==?|:)\s{0,40}"  # an assignment, a member, a header; values may stand in a column
        r"|\n[^\n]{0,300}?\binput_value="  # how pydantic names the field of a wrong value
        r"|(?P<flag>[ \t]{1,4}|,\s{0,4}(?=['\"])))",  # if it is a flag of a command, as a text or in a list
        re.I,
    )


def _core(words: list[str]) -> str:
    joined = r"[_\-. ]?".join(map(re.escape, words))
    return rf"(?<![^\W_]){joined}(?![^\W\d_])" if len("".join(words)) <= SHORT else joined


def _value(text: str, found: re.Match[str]) -> tuple[int, int]:
    """Where the value behind a name begins and ends; nowhere if it is no secret."""
    at = found.end()
    if found["flag"] is not None and not _is_flag(text[max(0, found.start() - MOST_FLAG) : found.start()]):
        return at, at
    if _NO_SECRET.match(text, at) or (f"{found['name']}{found['rest']}".lower().endswith(_COUNT) and _NUMBER.match(text, at)):
        return at, at
    if quoted := _QUOTED.match(text, at):
        return quoted.end(), _closing(text, quoted)
    if opened := _OPENED.match(text, at):
        return at, _balanced(text, opened.end())
    if angled := _ANGLED.match(text, at):
        return at, angled.end()
    is_header = found["name"].lower() in ("authorization", "cookie") and ":" in text[found.end("rest") : at]
    value = (_HEADER if is_header else _BARE).match(text, at)
    return at, value.end() if value else at


def _is_flag(before: str) -> bool:
    """Whether what stands before a name makes it a flag of a command: --db-password."""
    _, dashes, start = before.rpartition("--")
    return bool(dashes) and not start.strip("-_" + string.ascii_letters + string.digits)


def _closing(text: str, quoted: re.Match[str]) -> int:
    """Where a text in quotes ends; they may be escaped, because it is in a text in quotes itself."""
    escapes, quote = quoted.groups()
    if escapes or len(quote) > 1:
        end = text.find(escapes + quote, quoted.end())
        return len(text) if end < 0 else end
    inside = _TO_QUOTE[quote].match(text, quoted.end())
    return inside.end() if inside else quoted.end()


def _balanced(text: str, at: int) -> int:
    """Where the bracket closes that was opened before; the end of the text if it does not."""
    depth = 1
    for found in _BRACKET.finditer(text, at):
        if found[0] in ("[", "(", "{"):
            depth += 1
        elif found[0] in ("]", ")", "}"):
            depth -= 1
            if depth == 0:
                return found.end()
    return len(text)
