"""Write docs/options.md and docs/settings.md, and the references of commands and endpoints: python -m tests.reference"""

from pathlib import Path

from tests.api import reference as api
from tests.cli import reference as cli

from . import options, settings

DOCS = Path(__file__).parents[2] / "docs"

if __name__ == "__main__":
    for page, text in (
        ("options.md", options.reference()),
        ("settings.md", settings.reference()),
        ("cli.md", cli.reference()),
        ("api-reference.md", api.reference()),
    ):
        (DOCS / page).write_text(text)
