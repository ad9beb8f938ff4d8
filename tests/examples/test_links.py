"""Each link between the pages leads to a file and a heading that are there, and the index leads to each page."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = (".", "docs", "sql", "benchmarks")  # of pages for readers
PAGES = sorted(page for folder in FOLDERS for page in (ROOT / folder).glob("*.md"))
CODE = re.compile(r"^ *```.*?^ *```", re.M | re.S)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.M)
MOST_LINES = 150


@cache
def _text(page: Path) -> str:
    """The text of a page without its blocks of code, where a # is a comment."""
    return CODE.sub("", page.read_text())


@cache
def _anchors(page: Path) -> frozenset[str]:
    """The anchors that GitHub gives to the headings of a page: the second of equal ones ends in -1."""
    found: dict[str, int] = {}
    anchors = set()
    for heading in HEADING.findall(_text(page)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).strip().replace(" ", "-")
        times = found[slug] = found.get(slug, -1) + 1
        anchors.add(f"{slug}-{times}" if times else slug)
    return frozenset(anchors)


def _dead(page: Path, text: str) -> Iterator[str]:
    for link in LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        is_page = target.suffix == ".md"
        if not target.exists() or (anchor and is_page and anchor not in _anchors(target)):
            yield link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_of_a_page_leads_somewhere(page: Path) -> None:
    assert list(_dead(page, _text(page))) == []


def test_a_dead_link_would_be_found() -> None:
    page = ROOT / "docs/tasks.md"
    text = "[a](nowhere.md) [b](limits.md#nowhere) [c](#nowhere) [d](limits.md) [e](#arguments-and-results) [f](https://x.y/)"
    assert list(_dead(page, text)) == ["nowhere.md", "limits.md#nowhere", "#nowhere"]


def test_the_index_leads_to_each_page_and_the_readme_to_the_index() -> None:
    index = ROOT / "docs/README.md"
    linked = {link.partition("#")[0] for link in LINK.findall(_text(index))}
    assert {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"} <= linked
    assert "docs/README.md" in LINK.findall(_text(ROOT / "README.md"))


def test_the_readme_is_read_in_five_minutes() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= MOST_LINES
