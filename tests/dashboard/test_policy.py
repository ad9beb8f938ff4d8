"""No page needs what its policy forbids, and what others have made is as they have made it."""

import re
from hashlib import sha256
from pathlib import Path

import pytest

from pgqueue.dashboard.static import FOLDER, files

TEMPLATES = FOLDER.with_name("templates")
PAGES = sorted(TEMPLATES.rglob("*.html"))
SCRIPTS = sorted((FOLDER / "js").glob("*.js"))
# htmx makes code of these texts, which no nonce allows.
NEEDS_EVAL = re.compile(r"""\bhx-on|\bjs:|\bjavascript:|hx-trigger=("[^"]*\[|'[^']*\[)|hx-vals=['"]js|hx-vars""", re.I)
INLINE = re.compile(
    r"""<script(?![^>]*\bsrc=)|<style|\sstyle\s*=|\son[a-z]+\s*=\s*["']|\bsrcdoc=|<base\b|<iframe|<object|<embed""", re.I
)
OUTSIDE = re.compile(r"""(?:src|href|action)=["']\s*(?:https?:)?//""", re.I)
SCRIPTED = re.compile(
    r"""\beval\(|new Function|\.innerHTML\s*=(?!\s*"")|insertAdjacentHTML|document\.write"""
    r"""|setAttribute\(["'](style|on)|setTimeout\(["'`]"""
)
UNESCAPED = re.compile(r"\|\s*safe\b|autoescape\s+false|Markup\(", re.I)


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_a_template_needs_no_eval_no_inline_code_and_nothing_from_elsewhere(file: Path) -> None:
    text = file.read_text()
    for what in (NEEDS_EVAL, INLINE, OUTSIDE, UNESCAPED):
        assert not what.findall(text), what.pattern


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.name)
def test_a_script_makes_no_code_and_no_markup_of_texts(file: Path) -> None:
    assert not SCRIPTED.findall(file.read_text())
    assert not re.findall(r"https?://", file.read_text())


@pytest.mark.parametrize(
    ("what", "text"),
    [
        (NEEDS_EVAL, '<p hx-on:click="x()">'), (NEEDS_EVAL, '<p hx-trigger="keyup[key==1]">'),
        (NEEDS_EVAL, "<p hx-vals='js:{a: 1}'>"),
        (INLINE, "<script>x()</script>"), (INLINE, '<p style="color: red">'), (INLINE, '<p onclick="x()">'),
        (OUTSIDE, '<script src="https://cdn.example/x.js">'), (OUTSIDE, '<a href="//x">'), (UNESCAPED, "{{ name | safe }}"),
        (SCRIPTED, "element.innerHTML = text"), (SCRIPTED, "eval(text)"),
    ],
)  # fmt: skip
def test_the_guard_sees_it(what: re.Pattern[str], text: str) -> None:
    assert what.search(text)


def test_what_others_have_made_is_what_the_table_says() -> None:
    text = (FOLDER / "vendor/README.md").read_text()
    rows = re.findall(r"^\| (\S+) \| .* \| ([\d.]+) \| .*, (\S+) \| ([0-9a-f]{64}) \|$", text, re.M)
    assert {f"vendor/{name}" for name, *_ in rows} == {name for name in files() if name.startswith("vendor/")}
    for name, version, licence, digest in rows:
        assert version in name
        assert (FOLDER / "vendor" / licence).read_text().strip()
        assert sha256((FOLDER / "vendor" / name).read_bytes()).hexdigest() == digest, name
