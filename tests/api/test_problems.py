"""The kinds of problems: as pages of the API, and in the guide."""

import re
from pathlib import Path

import httpx

from pgqueue.api.problems import KINDS, Kind

GUIDE = Path(__file__).parents[2] / "docs/problems.md"


def test_the_type_of_a_refusal_is_a_page(api: httpx.Client, base_url: str) -> None:
    refusal = api.get("/jobs/1").json()
    page = httpx.get(base_url + refusal["type"])
    assert page.status_code == 200
    assert page.json() == {
        "type": "/api/v1/problems/not-found", "status": 404, "title": KINDS["not-found"].title,
        "remedy": KINDS["not-found"].remedy,
    }  # fmt: skip
    assert page.json()["title"] == refusal["title"]


def test_all_kinds_are_listed_and_another_one_is_not_found(api: httpx.Client) -> None:
    assert len(api.get("/problems").json()["items"]) == len(KINDS)
    assert api.get("/problems/nonsense").status_code == 404


def test_the_guide_has_each_kind_as_the_code_has_it() -> None:
    """To write it anew: python -m tests.api.test_problems."""
    assert GUIDE.read_text() == written(GUIDE.read_text())


def written(guide: str) -> str:
    """The guide with its table made of the code."""
    head, _, rest = guide.partition("| type |")
    _, _, tail = rest.partition("\n\n")
    rows = [_row(name, kind) for name, kind in sorted(KINDS.items(), key=lambda one: (one[1].status, one[0]))]
    return "\n".join([f"{head}| type | status | what it is | what to do |", "|---|---|---|---|", *rows, "", tail])


def _row(name: str, kind: Kind) -> str:
    return f'| <a id="{name}"></a>`{name}` | {kind.status} | {kind.title} | {re.sub(r"[|]", "&#124;", kind.remedy)} |'


if __name__ == "__main__":
    GUIDE.write_text(written(GUIDE.read_text()))
